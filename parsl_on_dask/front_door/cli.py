"""Reads the command line of ``python -m parsl_on_dask``; it does nothing that the words ask for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from parsl_on_dask.common.command_line import CommandParser
from parsl_on_dask.common.overrides import ClusterOverride
from parsl_on_dask.front_door import away

__all__ = ["Invocation", "parse"]

Kind = Literal[
    "script",
    "module",
    "code",
    "stdin",
    "check",
    "checkpoint",
    "visualize",
    "report",
    "replay",
    "perf",
    "globus-auth",
    "ps",
    "logs",
    "attach",
    "stop",
    "wait",
]

#: Words that look after runs which were started with ``--detach`` or ``--in-job``.
RUN_COMMANDS: tuple[Kind, ...] = ("ps", "logs", "attach", "stop", "wait")
#: Words that stand where a script would, and run no program.
COMMANDS: tuple[Kind, ...] = (
    "check",
    "checkpoint",
    "visualize",
    "report",
    "replay",
    "perf",
    "globus-auth",
    *RUN_COMMANDS,
)
#: Those of them that start executors, or look at what these become.
_WITH_EXECUTORS = ("check", "perf")

DESCRIPTION = """\
Run a Parsl script, unchanged, on Dask: in the script "import parsl", and the import of every
parsl.x, mean parsl_on_dask. Otherwise it runs as "python script.py args..." would."""

EPILOG = """\
what to run (everything after it belongs to the program):
  script.py args...   a Python file, or a folder or zip file with a __main__.py
  -m module args...   a module or package, as "python -m" does
  -c code args...     code from the command line, as "python -c" does
  -                   code from standard input
  (the word "run" may stand before the options)

runs that go on without this terminal, as --detach and --in-job start them:
  ps [--all] [--json]                  show them: state, since when, progress, blocks
  logs [-f] [NAME]                     print what a run has written; with -f, until it ends
  attach [NAME]                        show its progress live; Ctrl-C leaves it
  stop [--now] [NAME]                  end it as Ctrl-C would; with --now, at once
  wait [NAME...]                       wait for its end, with the exit code of its script

or, instead of running something:
  check FILE [args...]                 show what a script, notebook or Config becomes in Dask; nothing is started
  checkpoint ls|verify|rm|export DIR   list, check, drop or convert recorded results; see "checkpoint --help"
  visualize [DB]                       show monitored runs in a browser, even while they run
  report [DB|RUN_DIR]                  print a run's node-hours; write a monitored run into one HTML file
  replay RUN_DIR [TASK]                run a failed call again, here and alone; see "replay --help"
  perf --config FILE                   measure how many calls that do nothing a Config runs in a second
  globus-auth                          allow Globus to transfer files for you
                                       (to run a script with such a name, write ./checkpoint)

examples:
  python -m parsl_on_dask workflow.py --input data.csv
  python -m parsl_on_dask --scheduler tcp://10.0.0.1:8786 workflow.py
  python -m parsl_on_dask --scheduler-file ~/scheduler.json -m mypackage.workflow
  python -m parsl_on_dask --jobqueue slurm --max-blocks 4 workflow.py
  python -m parsl_on_dask run --detach workflow.py
"""


@dataclass(frozen=True)
class Invocation:
    """A command line, understood.

    Attributes
    ----------
    kind
        What ``target`` is: the path of a script, the name of a module, code, or nothing (standard input, and the
        commands, which run no program).
    target
        The script, module or code.
    args
        The program's own arguments, ``sys.argv[1:]`` of the script; or those of the command.
    cluster
        What ``--scheduler``, ``--scheduler-file`` or ``--jobqueue`` say.
    progress
        Whether bars show how far the program's tasks are.
    dialect
        The release of Parsl whose defaults hold, as ``--dialect`` says.
    linger
        Seconds that blocks outlive the script, as ``--linger`` says.
    detach
        Whether the program goes on without the terminal.
    in_job
        The batch system in whose job the program runs; ``""`` for the one that is there.
    name
        What that run is called.
    config_name
        The section of jobqueue.yaml for that job.
    words
        The command line without what says where the program itself runs.
    """

    kind: Kind
    target: str
    args: tuple[str, ...] = ()
    cluster: ClusterOverride | None = None
    progress: bool = False
    dialect: str | None = None
    linger: float | None = None
    detach: bool = False
    in_job: str | None = None
    name: str | None = None
    config_name: str | None = None
    words: tuple[str, ...] = ()


def parse(argv: Sequence[str]) -> Invocation:
    """Read a command line; explain and leave with exit code 2 when it makes no sense.

    Parameters
    ----------
    argv
        The words after ``python -m parsl_on_dask``.

    Raises
    ------
    SystemExit
        After ``--help`` or ``--version`` (code 0), or for a wrong command line (code 2).

    Examples
    --------
    >>> call = parse(["--scheduler", "tcp://10.0.0.1:8786", "script.py", "--fast"])
    >>> call.kind, call.target, call.args, str(call.cluster)
    ('script', 'script.py', ('--fast',), '--scheduler tcp://10.0.0.1:8786')
    """
    parser = _parser()
    at = _program_index(argv)
    if argv[at : at + 1] == ["run"]:
        argv = [*argv[:at], *argv[at + 1 :]]
        at = _program_index(argv)
    options = parser.parse_args(argv[:at])
    cluster = _cluster(parser, options)
    program = list(argv[at:])
    if program and program[0] == "--":
        del program[0]
    if not program:
        parser.error(
            "nothing to run: name a script (workflow.py), a module (-m mypackage.workflow) or code (-c 'import parsl')"
        )
    kind, target, args = _program(parser, program)
    if kind in COMMANDS and kind not in _WITH_EXECUTORS and cluster is not None:
        parser.error(f"the {kind} command runs nothing: leave --scheduler, --scheduler-file and --jobqueue out")
    away.check(parser, options, kind, kind in COMMANDS)
    return Invocation(
        kind,
        target,
        tuple(args),
        cluster,
        options.progress,
        _dialect(parser, options.dialect),
        away.linger_of(parser, options.linger),
        options.detach,
        options.in_job,
        options.name,
        options.config_name,
        (*away.without(argv[:at], options.jobqueue), *argv[at:]),
    )


class _Version(argparse.Action):
    """Prints the version; looks it up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object, **kwargs: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        from parsl_on_dask.version import PACKAGE_VERSION, VERSION

        try:
            engine = f"distributed {version('distributed')}"
        except PackageNotFoundError:
            engine = "distributed is missing: pip install distributed"
        print(f"parsl-on-dask {PACKAGE_VERSION} (API of Parsl {VERSION}, {engine}, Python {sys.version.split()[0]})")
        parser.exit()


# Options that take the next word: the search for the program has to step over it.
_VALUE_OPTIONS: tuple[str, ...] = (
    "--scheduler",
    "--scheduler-file",
    "--jobqueue",
    "--config-name",
    "--max-blocks",
    "--dialect",
)
_VALUE_OPTIONS += away.VALUE_OPTIONS


def _parser() -> CommandParser:
    called = os.path.basename(sys.argv[0])
    parser = CommandParser(
        prog=called if called.startswith("parsl-on-dask") else "python -m parsl_on_dask",
        usage="%(prog)s [run] [options] (script.py | -m module | -c code | -) [args...]\n"
        f"       %(prog)s ({' | '.join(RUN_COMMANDS)}) ...\n"
        f"       %(prog)s ({' | '.join(c for c in COMMANDS if c not in RUN_COMMANDS)}) ...",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="run every executor of every Config that the program loads on the Dask cluster of the scheduler at "
        "ADDRESS, such as tcp://10.0.0.1:8786",
    )
    parser.add_argument(
        "--scheduler-file",
        metavar="FILE",
        help="the same, with the address from the file that 'dask scheduler --scheduler-file FILE' writes",
    )
    parser.add_argument(
        "--jobqueue",
        metavar="SYSTEM",
        help="run every executor of every Config that the program loads in jobs of this batch system (slurm, pbs, lsf, "
        "sge, ...), with the settings of jobqueue.yaml",
    )
    parser.add_argument(
        "--config-name", metavar="NAME", help="with --jobqueue: the section of jobqueue.yaml. Default: the system's"
    )
    parser.add_argument(
        "--max-blocks",
        metavar="N",
        help="with --jobqueue: how many jobs an executor may have at a time. Default: as its provider says",
    )
    parser.add_argument(
        "--progress", action="store_true", help="show the progress of the program's tasks on stderr, app by app"
    )
    parser.add_argument(
        "--dialect",
        metavar="RELEASE",
        help="use the defaults of this release of Parsl, such as 2024.12.30, in the program's Configs. "
        "Default: the release that PARSL_ON_DASK_DIALECT names, or else the newest",
    )
    away.add_options(parser)
    parser.add_argument("--version", nargs=0, action=_Version, help="print the versions and exit")
    return parser


def _program_index(argv: Sequence[str]) -> int:
    """Return where the program begins: everything from there on is the program's, whatever it looks like."""
    at = 0
    while at < len(argv):
        word = argv[at]
        if word in _VALUE_OPTIONS:
            at += 2
        elif word in ("-", "--") or not word.startswith("-") or word[:2] in ("-m", "-c"):
            return at
        else:
            at += 1
    return len(argv)


def _program(parser: CommandParser, words: list[str]) -> tuple[Kind, str, list[str]]:
    first, rest = words[0], words[1:]
    if first == "-":
        return "stdin", "", rest
    for command in COMMANDS:
        if first == command:
            return command, "", rest
    if first[:2] not in ("-m", "-c"):
        return "script", first, rest
    kind: Kind = "module" if first[:2] == "-m" else "code"
    if len(first) > 2:  # -mpackage, as python allows
        return kind, first[2:], rest
    if not rest:
        parser.error(f"{first} needs the {'name of a module' if kind == 'module' else 'code to run'} after it")
    return kind, rest[0], rest[1:]


def _cluster(parser: CommandParser, options: argparse.Namespace) -> ClusterOverride | None:
    address, file, system = options.scheduler, options.scheduler_file, options.jobqueue
    named = {"--scheduler": address, "--scheduler-file": file, "--jobqueue": system}
    given = [name for name, value in named.items() if value is not None]
    if len(given) > 1:
        parser.error(f"{' and '.join(given)}: each names a place to run, so give one of them")
    if system is None:
        for name, value in (("--config-name", options.config_name), ("--max-blocks", options.max_blocks)):
            if value is not None and (name == "--max-blocks" or options.in_job is None):
                parser.error(f"{name} {value} goes with --jobqueue: add for example --jobqueue slurm")
    if not given:
        return None
    if system is not None:
        return _jobs(parser, system, options.config_name, options.max_blocks)
    if file is None:
        if not address.rpartition(":")[2].isdigit():
            parser.error(
                f"--scheduler {address!r} is not a scheduler address: write protocol://host:port, "
                "such as tcp://10.0.0.1:8786 or tls://10.0.0.1:8786 ('dask scheduler' prints it when it starts)"
            )
        return ClusterOverride(address=address)
    # The file itself may still be on its way (a scheduler started a moment ago); its folder may not.
    path = os.path.abspath(os.path.expanduser(file))
    if not file or os.path.isdir(path) or not os.path.isdir(os.path.dirname(path)):
        parser.error(
            f"--scheduler-file {file!r}: no such file ({path}): "
            "give the path that 'dask scheduler --scheduler-file PATH' was started with"
        )
    return ClusterOverride(scheduler_file=path)


def _dialect(parser: CommandParser, given: str | None) -> str | None:
    from parsl_on_dask.errors import ConfigurationError
    from parsl_on_dask.old_spellings import dialect

    try:
        if given is None:
            dialect.release()
        else:
            dialect.parse(given, "--dialect")
    except ConfigurationError as error:
        parser.error(str(error))
    return given


def _jobs(parser: CommandParser, system: str, config_name: str | None, max_blocks: str | None) -> ClusterOverride:
    if not system:
        parser.error("--jobqueue needs the name of a batch system, such as slurm")
    if max_blocks is not None and not (max_blocks.isdecimal() and int(max_blocks)):
        parser.error(f"--max-blocks {max_blocks!r}: write a whole number from 1 up")
    from parsl_on_dask.errors import ConfigurationError
    from parsl_on_dask.providers.jobqueue import provider_from_jobqueue

    try:
        getattr(provider_from_jobqueue(system, config_name), "site", None)  # which reads the settings
    except ConfigurationError as error:
        parser.error(f"--jobqueue {system}: {error}")
    return ClusterOverride(
        jobqueue=system, config_name=config_name, max_blocks=None if max_blocks is None else int(max_blocks)
    )
