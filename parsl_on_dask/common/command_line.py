"""The parser of words that the command line and all commands behind it use."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn


class CommandParser(argparse.ArgumentParser):
    """Python's, which says what is wrong in one line and where help is.

    - `command`: what follows ``python -m parsl_on_dask``.
    - `**options`: Python's.
    """

    def __init__(self, command: str = "", **options: Any) -> None:
        options.setdefault("prog", f"python -m parsl_on_dask {command}".rstrip())
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and leave with exit code 2."""
        self.exit(2, f"{self.prog}: {message}\n(see {self.prog} --help)\n")
