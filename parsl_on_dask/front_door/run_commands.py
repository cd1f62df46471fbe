"""``ps``, ``logs``, ``attach``, ``stop`` and ``wait``: what looks after runs that go on without a terminal."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from parsl_on_dask.common import run_records
from parsl_on_dask.common.command_line import CommandParser
from parsl_on_dask.common.run_records import RunRecord, UnknownRun

_ABOUT = {
    "ps": "Show your runs that go on without a terminal, those of the run directory here, and those that have ended.",
    "logs": "Print what a run has written.",
    "attach": "Show the progress of a run while it runs, and what it writes meanwhile. Ctrl-C leaves it.",
    "stop": "End a run as Ctrl-C would, and wait until it has cleaned up.",
    "wait": "Wait for the end of a run's script. The exit code is that of the script, or 128 plus the number of the "
    "signal that killed it; for several runs, it is the first exit code that is not 0.",
}
_NAME = "The beginning of a name is enough if only one run has it. Without a name, it is about the newest run that was "
_NAME += "started in this directory."


def main(kind: str, args: Sequence[str]) -> int:
    """Run a command, and return its exit code."""
    parser = _parser(kind)
    options = parser.parse_args(args)
    try:
        return _run(kind, options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        raise
    except (OSError, UnknownRun) as e:
        parser.error(str(e))


def _run(kind: str, options: argparse.Namespace) -> int:
    records = run_records.read_all(here=os.getcwd())
    if kind == "ps":
        from parsl_on_dask.front_door import listing

        return listing.show(records, every=options.all, as_json=options.json)
    chosen = chosen_of(records, options.names)
    if kind == "stop":
        from parsl_on_dask.front_door import stopping

        return max([stopping.stop(record, options.now) for record in chosen])
    from parsl_on_dask.front_door import following

    if kind == "logs":
        return following.logs(chosen[0], options.follow)
    return following.attach(chosen[0]) if kind == "attach" else following.wait(chosen)


def chosen_of(records: Sequence[RunRecord], names: Sequence[str]) -> list[RunRecord]:
    """The runs that names stand for; without names, the newest one of this directory, which is said.

    Raises UnknownRun when there is none.
    """
    if names:
        return [run_records.find(name, records) for name in names]
    here = [record for record in records if record.cwd and os.path.realpath(record.cwd) == os.path.realpath(".")]
    if not here:
        there = ", ".join(record.name for record in reversed(records[-20:]))
        raise UnknownRun(
            "no run was started in this directory; "
            + (f"write the name of one: {there}" if there else "there are none in others, either")
        )
    from parsl_on_dask.front_door.listing import state_among

    states = {record.name: state for record in here if (state := state_among(record, records)) is not None}
    here = [record for record in here if record.name in states] or here  # what stays of a run goes by the run's name
    there_now = [record for record in here if record.name in states and not states[record.name].over] or here
    only = "the only run" if len(here) == 1 else "the newest run"
    print(f"{there_now[-1].name}, {only} of this directory:", file=sys.stderr)
    return there_now[-1:]


class _Names(argparse.Action):
    """Takes none, one or several names for a list."""

    def __call__(self, parser: object, space: argparse.Namespace, values: object, option: str | None = None) -> None:
        space.names = [values] if isinstance(values, str) else values or []


def _parser(kind: str) -> CommandParser:
    parser = CommandParser(kind, description=_ABOUT[kind], epilog=None if kind == "ps" else _NAME, allow_abbrev=False)
    if kind == "ps":
        parser.add_argument("--all", action="store_true", help="also those that ended more than a day ago")
        parser.add_argument("--json", action="store_true", help="print a list of JSON objects")
    else:
        many = kind in ("wait", "stop")
        parser.add_argument(
            "names", metavar="NAME", nargs="*" if many else "?", action=_Names, default=[], help="a run"
        )
    if kind == "logs":
        parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    if kind == "stop":
        parser.add_argument("--now", action="store_true", help="kill the script, and all that it has started")
    return parser
