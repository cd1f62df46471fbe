"""Sending Parsl's log records to a stream or a file."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import IO, Any

DEFAULT_FORMAT = (
    "%(created)f %(asctime)s %(processName)s-%(process)d %(threadName)s-%(thread)d "
    "%(name)s:%(lineno)d %(funcName)s %(levelname)s: %(message)s"
)
"""Fields of a line in ``parsl.log``; it begins with seconds since the epoch."""

_STREAM_FORMAT = "%(asctime)s %(name)s:%(lineno)d [%(levelname)s]  %(message)s"
_DATE_FORMAT = "%Y-%m-%d %H:%M:%S"

_lock = threading.Lock()
#: Per logger: how many handlers of ours it has, the level it had before, and the level that we set.
_lowered: dict[str, tuple[int, int, int]] = {}


def set_stream_logger(
    name: str = "parsl",
    level: int = logging.DEBUG,
    format_string: str | None = None,
    stream: IO[str] | Any | None = None,
) -> Callable[[], None]:
    """Write log records to a stream, by default standard error.

    Records of ``concurrent.futures`` go there too: that is where exceptions in callbacks end up. (Parsl's
    set_stream_logger.)

    Parameters
    ----------
    name : str, default "parsl"
        The logger. All of this package's loggers are below "parsl".
    level : int, default logging.DEBUG
        Records below this level are left out.
    format_string : str, optional
        As for logging.Formatter.
    stream : text stream, optional
        ``sys.stderr`` if None.

    Returns
    -------
    callable
        Call it to undo this. It may be called more than once.

    Examples
    --------
    >>> import io, logging
    >>> text = io.StringIO()
    >>> undo = set_stream_logger(stream=text, format_string="%(levelname)s %(message)s")
    >>> logging.getLogger("parsl.example").info("hello")
    >>> undo()
    >>> text.getvalue()
    'INFO hello\\n'
    """
    return attach(logging.StreamHandler(stream), name, level, format_string or _STREAM_FORMAT)


def set_file_logger(
    filename: str | os.PathLike[str],
    name: str = "parsl",
    level: int = logging.DEBUG,
    format_string: str | None = None,
) -> Callable[[], None]:
    """Append log records to a file.

    Records of ``concurrent.futures`` go there too. (Parsl's set_file_logger.)

    Parameters
    ----------
    filename : str or PathLike
        Made if it is missing; its directory has to exist.
    name, level
        As for :func:`set_stream_logger`.
    format_string : str, optional
        As for logging.Formatter; :data:`DEFAULT_FORMAT` if None.

    Returns
    -------
    callable
        Call it to undo this and to close the file. It may be called more than once.

    Raises
    ------
    OSError
        When the file cannot be opened.

    Examples
    --------
    >>> import logging, os, tempfile
    >>> with tempfile.TemporaryDirectory() as d:
    ...     undo = set_file_logger(os.path.join(d, "my.log"), format_string="%(message)s")
    ...     logging.getLogger("parsl.example").info("hello")
    ...     undo()
    ...     print(open(os.path.join(d, "my.log")).read().strip())
    hello
    """
    return attach(logging.FileHandler(filename, encoding="utf-8"), name, level, format_string or DEFAULT_FORMAT)


def attach(handler: logging.Handler, name: str, level: int, format_string: str) -> Callable[[], None]:
    """Add a handler to a logger, and to ``concurrent.futures``; returns what removes and closes it again.

    The logger lets records of `level` and above through as long as at least one handler is attached this way;
    then it gets back the level that it had.
    """
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter(format_string, datefmt=_DATE_FORMAT))
    return add_handler(handler, (name, "concurrent.futures"), level)


def add_handler(handler: logging.Handler, names: tuple[str, ...], level: int) -> Callable[[], None]:
    """Like :func:`attach`, for a handler that is ready and any loggers ("" is the root)."""
    names = tuple(dict.fromkeys(names))
    for name in names:
        _lower(name, level)
        logging.getLogger(name).addHandler(handler)
    undone = threading.Lock()

    def undo() -> None:
        if not undone.acquire(blocking=False):
            return
        for name in names:
            logging.getLogger(name).removeHandler(handler)
            _restore(name)
        handler.close()

    return undo


def _lower(name: str, level: int) -> None:
    logger = logging.getLogger(name)
    # a level of 0 would mean the parent's, which is WARNING unless somebody changed it
    wanted = level or logging.DEBUG
    with _lock:
        count, before, _ = _lowered.get(name, (0, logger.level, 0))
        ours = wanted if logger.level == logging.NOTSET else min(logger.level, wanted)
        logger.setLevel(ours)
        _lowered[name] = (count + 1, before, ours)


def _restore(name: str) -> None:
    logger = logging.getLogger(name)
    with _lock:
        count, before, ours = _lowered.pop(name)
        if count > 1:
            _lowered[name] = (count - 1, before, ours)
        elif logger.level == ours:  # else somebody else has set it since: leave it alone
            logger.setLevel(before)
