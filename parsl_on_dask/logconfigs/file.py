"""Logging to a text file."""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable

from parsl_on_dask.log_utils import DEFAULT_FORMAT, set_file_logger
from parsl_on_dask.logconfigs.base import LogConfig


class FileLogging(LogConfig):
    """Writes a line for each log record to ``parsl.log`` in the run directory. (Parsl's FileLogging.)

    Parameters
    ----------
    format_string : str
        As for logging.Formatter.
    level : int, default logging.DEBUG
        Records below this level are left out.

    Examples
    --------
    >>> FileLogging(level=logging.INFO).level
    20
    """

    def __init__(self, *, format_string: str = DEFAULT_FORMAT, level: int = logging.DEBUG) -> None:
        super().__init__()
        self.format_string = format_string
        self.level = level

    def __repr__(self) -> str:
        return f"FileLogging(format_string={self.format_string!r}, level={self.level!r})"

    def initialize_logging(self, *, log_dir: pathlib.Path, log_name: str) -> Callable[[], None]:
        """Begin to write ``log_dir/log_name.log``."""
        directory = pathlib.Path(log_dir)
        directory.mkdir(parents=True, exist_ok=True)
        return set_file_logger(
            directory / f"{log_name}.log", "parsl", level=self.level, format_string=self.format_string
        )
