"""The options of programs that go on without the terminal, and of what goes on without them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from parsl_on_dask.common.command_line import CommandParser

#: Options that take the next word.
VALUE_OPTIONS = ("--linger", "--name")


def add_options(parser: CommandParser) -> None:
    """Add the options to a parser."""
    parser.add_argument(
        "--linger",
        metavar="TIME",
        help="how long blocks and running calls stay when the program is killed, until it is started again: 90 "
        "(seconds), 30m or 2h. Default: what the program's Config says",
    )
    group = parser.add_argument_group("a program that goes on without this terminal")
    group.add_argument("--detach", action="store_true", help="give the terminal back at once, and print the run's name")
    group.add_argument(
        "--in-job",
        nargs="?",
        const="",
        metavar="=SYSTEM",
        help="run the program itself in a batch job, with the settings of jobqueue.yaml, for sites that end what runs "
        "on login nodes; before the walltime ends, another job is requested. Default: --jobqueue's system, or the "
        "one whose commands are there",
    )
    group.add_argument("--name", metavar="NAME", help="the name of that run. Default: the script's, with four digits")


def check(parser: CommandParser, options: argparse.Namespace, kind: str, command: bool) -> None:
    """Refuse options for a program that goes on by itself where there is none, or none that can."""
    option = "--detach" if options.detach else "--in-job" if options.in_job is not None else ""
    if options.detach and options.in_job is not None:
        parser.error("--in-job gives the terminal back as well: leave --detach out")
    if option and kind == "stdin":
        parser.error(f"{option} - : standard input ends with the terminal, so write the program to a file")
    if option and command:
        parser.error(f"{option} is for programs, and {kind} is a command of this package: leave it out")
    if options.name is not None and not option:
        parser.error(f"--name {options.name} names a run that goes on without this terminal: add --detach")


def without(words: Sequence[str], jobqueue: str | None) -> list[str]:
    """Options without those that say where the program itself runs."""
    valued = ["--name"] if jobqueue is not None else ["--name", "--config-name"]
    left: list[str] = []
    for place, word in enumerate(words):
        option = word.partition("=")[0]
        if option not in (*valued, "--detach", "--in-job") and (not place or words[place - 1] not in valued):
            left.append(word)
    return left


def linger_of(parser: CommandParser, given: str | None) -> float | None:
    if given is None:
        return None
    units = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", given.strip().lower())
    if found is None or found[2] not in units:
        parser.error(f"--linger {given!r}: write a time such as 90 (seconds), 45s, 30m or 2h")
    return float(found[1]) * units[found[2]]
