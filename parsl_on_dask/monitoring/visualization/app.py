"""Parsl's module of the command ``parsl-visualize``, which is the command ``visualize`` here."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from parsl_on_dask.monitoring import cli


def cli_run(argv: Sequence[str] | None = None) -> None:
    """Run the command ``visualize``, which takes the arguments of ``parsl-visualize``.

    Parameters
    ----------
    argv : sequence of str, optional
        Its words. Default: those that the process was started with.

    Raises
    ------
    SystemExit
        With 1 when the database cannot be shown, and 2 when the words are wrong.
    """
    sys.exit(cli.main("visualize", sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    cli_run()
