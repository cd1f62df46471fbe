"""The commands ``visualize`` and ``report``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from parsl_on_dask.common.command_line import CommandParser
from parsl_on_dask.errors import ParslError

__all__ = ["COMMANDS", "main"]

#: What is looked at instead of being run.
COMMANDS = ("visualize", "report")

#: Addresses that only this machine can reach.
_LOCAL = ("127.0.0.1", "localhost", "::1")

DATABASE = """\
a run directory (runinfo, or one run's runinfo/003), the path of a monitoring.db, or a URL such as
postgresql://user@host/name; default: runinfo"""


def main(command: str, argv: Sequence[str]) -> int:
    """Run a command; returns the exit code.

    - `command`: one of :data:`COMMANDS`.
    - `argv`: the words after it.
    """
    try:
        return _visualize(argv) if command == "visualize" else _report(argv)
    except ParslError as e:
        print(f"parsl_on_dask {command}: {e}", file=sys.stderr)
        return 1


def _parser(command: str, text: str) -> CommandParser:
    parser = CommandParser(command, description=text)
    parser.add_argument("database", nargs="?", metavar="DB", help=DATABASE)
    return parser


def _visualize(argv: Sequence[str]) -> int:
    parser = _parser("visualize", "Show runs in a browser, even while they run. Ctrl-C ends the command.")
    parser.add_argument("-p", "--port", type=int, help="default: 8080, or another one if that is taken; 0: any")
    parser.add_argument(
        "--no-token", action="store_true", help="give every user of this machine access, without the key in the link"
    )
    parser.add_argument("-d", "--debug", action="store_true", help="log each request to standard error")
    parser.add_argument("-l", "--listen", default=_LOCAL[0], metavar="ADDRESS", help="127.0.0.1, and no other")
    options = parser.parse_args(argv)
    if options.listen not in _LOCAL:
        port = options.port or 8080
        parser.error(
            f"--listen {options.listen}: these pages are for this machine only, since inputs, outputs and errors are "
            f"on them. From another machine: ssh -L {port}:127.0.0.1:{port} <this machine>"
        )
    if options.debug:
        from parsl_on_dask.log_utils import set_stream_logger

        set_stream_logger()
    from parsl_on_dask.monitoring.pages.database import Database, find
    from parsl_on_dask.monitoring.pages.figures import require_bokeh

    require_bokeh()
    database = Database(find(options.database))
    database.check()
    try:
        asyncio.run(_serve(database, options.port, not options.no_token))
    except KeyboardInterrupt:
        pass
    return 0


async def _serve(database: object, named: int | None, token: bool) -> None:
    from parsl_on_dask.monitoring.pages.database import Database
    from parsl_on_dask.monitoring.pages.server import Pages

    assert isinstance(database, Database)
    port = 8080 if named is None else named
    pages = Pages(database, port, token)
    try:
        pages.start()
    except OSError as e:
        if named is not None:
            raise ParslError(
                f"port {port} is not available ({e.strerror or e}): leave --port out for any free one"
            ) from e
        pages = Pages(database, 0, token)
        pages.start()
    print(f"The runs in {database.name} are shown at\n  {pages.link}\nCtrl-C ends this.", flush=True)
    if sys.stdin.isatty():
        print(f"From another machine: ssh -L {pages.port}:127.0.0.1:{pages.port} <this machine>, then the same link.")
    try:
        await asyncio.Event().wait()
    finally:
        pages.stop()


def _report(argv: Sequence[str]) -> int:
    parser = _parser(
        "report",
        "Print the node-hours of a run in batch jobs, and write a monitored run into one HTML file that needs nothing "
        "else and can be sent by mail.",
    )
    parser.add_argument("--run", metavar="RUN", help="a run's id, its beginning, or the name of its directory (003)")
    parser.add_argument(
        "--trace",
        metavar="FILE",
        help="write the calls for https://ui.perfetto.dev or chrome://tracing instead",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="default: NAME-NUMBER-report.html in this directory")
    options = parser.parse_args(argv)
    if options.trace:
        return _trace(options.database, options.run, options.trace)
    from parsl_on_dask.monitoring import node_hours
    from parsl_on_dask.monitoring.pages import database as db

    try:
        url = db.find(options.database)
    except db.DatabaseProblem:
        folder = None if options.output else node_hours.run_directory(options.database, options.run)
        if folder is None:
            raise
        print(node_hours.text(folder, node_hours.of_run(folder)))
        return 0
    from parsl_on_dask.monitoring import report
    from parsl_on_dask.monitoring.pages.model import Reader

    reader = Reader(db.Database(url))
    summary = report.choose(reader, options.database, options.run)
    path = options.output or report.default_path(summary)
    hours = node_hours.of_run(summary.rundir)
    try:
        size = report.write(reader, summary, path, hours)
    except OSError as e:
        raise ParslError(f"{path} cannot be written: {e.strerror or e}") from e
    if hours:
        print(node_hours.text(summary.rundir, hours))
    print(f"{path}: {summary.name}, run {summary.id}, {size / 2**20:.1f} MiB")
    return 0


def _trace(database: str | None, run: str | None, path: str) -> int:
    from parsl_on_dask.monitoring import report, trace
    from parsl_on_dask.monitoring.node_hours import run_directory
    from parsl_on_dask.monitoring.pages import database as db
    from parsl_on_dask.monitoring.pages.model import Reader

    folder = run_directory(database, run, trace.is_traced)
    if folder is not None:
        spans = trace.of_trace(folder)
    else:
        try:
            reader = Reader(db.Database(db.find(database)))
        except db.DatabaseProblem as e:
            hint = "A run can be drawn that was monitored, or loaded with Config(trace=True)."
            raise ParslError(f"{e}. {hint}") from e
        summary = report.choose(reader, database, run)
        folder, spans = summary.rundir, trace.of_run(reader.run(summary.id))
    try:
        count = trace.write(spans, path)
    except OSError as e:
        raise ParslError(f"{path} cannot be written: {e.strerror or e}") from e
    print(f"{path}: {count} calls of {folder}. Open it in https://ui.perfetto.dev or chrome://tracing")
    return 0
