"""The commands ``python -m parsl_on_dask checkpoint ls|verify|rm|export DIR``: their words, and what they print."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence

from parsl_on_dask.checkpoint.directories import UsageError
from parsl_on_dask.common.command_line import CommandParser
from parsl_on_dask.errors import ParslError

__all__ = ["main"]

_DESCRIPTION = """\
List recorded results, check them, drop some, or convert them from and to Parsl's files.

DIR is a checkpoint directory (runinfo/000/checkpoint, or one that the Config names), the directory of a
run (runinfo/000), or that of all runs (runinfo)."""

_EPILOG = """\
examples:
  python -m parsl_on_dask checkpoint ls runinfo
  python -m parsl_on_dask checkpoint verify runinfo/000/checkpoint
  python -m parsl_on_dask checkpoint rm --app simulate --older-than 30 results/checkpoint
  python -m parsl_on_dask checkpoint export results/checkpoint --to-parsl for_parsl
  python -m parsl_on_dask checkpoint export results/checkpoint --from-parsl old/runinfo

exit status: 0, or 1 when something is damaged or was not done, or 2 when the command line is wrong"""


def main(words: Sequence[str]) -> int:
    """Do what the words after ``checkpoint`` say.

    `words`: the command line behind ``python -m parsl_on_dask checkpoint``.

    Returns the exit status.

    Raises SystemExit after ``--help`` (0), or for words that make no sense (2), which is explained.
    """
    from parsl_on_dask.checkpoint import commands

    options = _parser().parse_args(list(words))
    # what the store has to say is said once, in one line, and not as a warning with a line of code in it
    logging.getLogger("parsl").addHandler(logging.NullHandler())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
        try:
            status: int = getattr(commands, options.command)(options)
        except UsageError as error:
            return _say(str(error), 2)
        except BrokenPipeError:
            raise
        except (ParslError, OSError) as error:
            return _say(str(error), 1)
        except KeyboardInterrupt:
            return _say("interrupted", 130)
    return status


def _say(text: str, status: int) -> int:
    print(f"checkpoint: {text}", file=sys.stderr)
    return status


def _parser() -> CommandParser:
    parser = CommandParser(
        "checkpoint",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parsers = parser.add_subparsers(dest="command", metavar="ls|verify|rm|export", required=True)

    ls = parsers.add_parser("ls", help="what is recorded, by app", allow_abbrev=False)
    ls.add_argument("--long", action="store_true", help="every result, with its key and what went into it")

    verify = parsers.add_parser(
        "verify", help="read every record and value file, and compare checksums", allow_abbrev=False
    )
    verify.add_argument(
        "--load",
        action="store_true",
        help="unpickle every value, too. This runs code that is in it, and needs the modules of its classes, which may "
        "also be in the current directory",
    )

    rm = parsers.add_parser(
        "rm",
        help="drop results",
        description="Drop the results that meet all the conditions given. Do not use this while a run writes there.",
        allow_abbrev=False,
    )
    rm.add_argument(
        "--app", metavar="NAME", help='of this app; "" for results from Parsl, whose files do not name the app'
    )
    rm.add_argument("--key", metavar="PREFIX", type=_prefix, help="whose key begins with PREFIX (see ls --long)")
    rm.add_argument("--older-than", metavar="DAYS", type=_days, help="recorded more than DAYS days ago")
    rm.add_argument(
        "--identity", metavar="POLICY", help='whose function was identified by POLICY: "name", "source", ...'
    )
    rm.add_argument("--all", action="store_true", help="every result")
    rm.add_argument("--yes", "-y", action="store_true", help="do not ask")

    export = parsers.add_parser("export", help="convert from and to Parsl's files", allow_abbrev=False)
    way = export.add_mutually_exclusive_group(required=True)
    way.add_argument(
        "--to-parsl",
        metavar="OUT",
        help="write what DIR has into OUT/tasks.pkl (or OUT, if it ends in .pkl), which must not exist",
    )
    way.add_argument(
        "--from-parsl",
        metavar="IN",
        help="copy the results of Parsl's tasks.pkl into DIR; IN is the file, a checkpoint directory, or a directory "
        "of runs",
    )
    for each in (ls, verify, rm, export):
        each.add_argument("directory", metavar="DIR", help="a checkpoint directory, or one of runs")
    return parser


def _prefix(text: str) -> str:
    low = text.lower()
    if not low or len(low) > 32 or set(low) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text!r} is not the beginning of a key: keys are 32 hexadecimal digits")
    return low


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not days >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days, such as 30 or 0.5")
    return days
