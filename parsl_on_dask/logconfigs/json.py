"""Logging to a file of JSON objects."""

from __future__ import annotations

import json
import logging
import pathlib
from collections.abc import Callable

from parsl_on_dask.log_utils import add_handler
from parsl_on_dask.logconfigs.base import LogConfig


class JSONLogging(LogConfig):
    """Writes log records to ``parsl.jsonlog`` in the run directory, one JSON object a line.

    Records of all loggers are written, not only Parsl's. Each object has created, process, processName, thread,
    threadName, name, lineno, funcname, levelname, msg (before arguments are put in), formatted (after), and the
    record's extras whose names begin with ``parsl.``, as text. (Parsl's JSONLogging.)

    Parameters
    ----------
    level : int, default logging.DEBUG
        Records below this level are left out.

    Examples
    --------
    >>> JSONLogging().level == logging.DEBUG
    True
    """

    def __init__(self, *, level: int = logging.DEBUG) -> None:
        super().__init__()
        self.level = level

    def __repr__(self) -> str:
        return f"JSONLogging(level={self.level!r})"

    def initialize_logging(self, *, log_dir: pathlib.Path, log_name: str) -> Callable[[], None]:
        """Begin to write ``log_dir/log_name.jsonlog``."""
        directory = pathlib.Path(log_dir)
        directory.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(directory / f"{log_name}.jsonlog", encoding="utf-8")
        handler.setLevel(self.level)
        handler.setFormatter(_JSONFormatter())
        return add_handler(handler, ("",), self.level)


class _JSONFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "created": record.created,
            "process": record.process,
            "processName": record.processName,
            "threadName": record.threadName,
            "thread": record.thread,
            "name": record.name,
            "lineno": record.lineno,
            "funcname": record.funcName,
            "levelname": record.levelname,
            "msg": record.msg if isinstance(record.msg, str) else _text(record.msg),
            "formatted": super().format(record),
        }
        for key, value in record.__dict__.items():
            if key.startswith("parsl."):
                fields[key] = _text(value)
        return json.dumps(fields)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception as e:  # the line is worth more than this value
        return f"UNREPRESENTABLE: {e!r}"
