"""The command ``parsl-visualize``, with Parsl's arguments, for our own pages.

Where the arguments come from: Parsl's ``parsl.monitoring.visualization.app``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from parsl_on_dask.monitoring import cli

#: Addresses that only this machine can reach.
_LOCAL = ("127.0.0.1", "localhost", "::1")


def cli_run(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its words. Default: those that the process was started with.

    Raises
    ------
    SystemExit
        With 1 when the database cannot be shown, and 2 when the words are wrong.
    """
    parser = argparse.ArgumentParser(
        prog="parsl-visualize",
        description="Show runs in a browser, also while they run: the same as python -m parsl_on_dask visualize.",
    )
    parser.add_argument("db_path", nargs="?", metavar="DB", help=cli.DATABASE)
    parser.add_argument("-p", "--port", type=int, help="default 8080, or another one when that is taken")
    parser.add_argument("-d", "--debug", action="store_true", help="log each request to standard error")
    parser.add_argument("-l", "--listen", default=_LOCAL[0], metavar="ADDRESS", help="127.0.0.1, and no other")
    given = parser.parse_args(argv)
    if given.listen not in _LOCAL:
        parser.error(
            f"--listen {given.listen}: these pages are for this machine only, since inputs, outputs and errors are on "
            f"them. From another machine: ssh -L {given.port or 8080}:127.0.0.1:{given.port or 8080} <this machine>"
        )
    words = [] if given.db_path is None else [given.db_path]
    words += [] if given.port is None else ["--port", str(given.port)]
    if given.debug:
        from parsl_on_dask.log_utils import set_stream_logger

        set_stream_logger()
    sys.exit(cli.main("visualize", words))


if __name__ == "__main__":
    cli_run()
