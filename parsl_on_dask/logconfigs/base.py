"""What a log configuration is, and starting each only once in a process."""

from __future__ import annotations

import abc
import logging
import pathlib
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger("parsl.logconfigs.base")


class LogConfig(abc.ABC):
    """Where log records go: base of plug-ins for ``Config(initialize_logging=...)``.

    The same configuration is used by the submitting process and, pickled, by others of the run; its ``uuid`` tells
    that copies are the same. (Parsl's LogConfig.)

    Examples
    --------
    >>> class ToNowhere(LogConfig):
    ...     def initialize_logging(self, *, log_dir, log_name):
    ...         handler = logging.NullHandler()
    ...         logging.getLogger("parsl").addHandler(handler)
    ...         return lambda: logging.getLogger("parsl").removeHandler(handler)
    """

    def __init__(self) -> None:
        self.uuid = uuid.uuid4()

    @abc.abstractmethod
    def initialize_logging(self, *, log_dir: pathlib.Path, log_name: str) -> Callable[[], None]:
        """Begin to log in this process.

        Parameters
        ----------
        log_dir : pathlib.Path
            Directory for log files; it may have to be made.
        log_name : str
            Name of a log file, without ending.

        Returns
        -------
        callable
            Ends what this call began.
        """


@dataclass
class _Started:
    uninit_callback: Callable[[], None]
    count: int = 1


# one per interpreter, as the logging module's own state is
_initialized_log_contexts: dict[uuid.UUID, _Started] = {}
_lock = threading.Lock()


def oneshot_initialize_logging(*, log_config: LogConfig, log_dir: pathlib.Path, log_name: str) -> None:
    """Begin to log with `log_config`, unless this process already does; calls are counted.

    Threads that run in the submitting process share its log this way, while worker processes begin one of their own.
    When it is already running, `log_dir` and `log_name` make no difference.

    Raises
    ------
    TypeError
        When ``initialize_logging`` did not return a callable.
    """
    with _lock:
        started = _initialized_log_contexts.get(log_config.uuid)
        if started is not None:
            started.count += 1
            return
        undo = log_config.initialize_logging(log_dir=log_dir, log_name=log_name)
        if not callable(undo):
            raise TypeError(
                f"{type(log_config).__name__}.initialize_logging() has to return a callable that ends the logging, "
                f"and returned {undo!r}"
            )
        _initialized_log_contexts[log_config.uuid] = _Started(undo)


def oneshot_uninitialize_logging(*, log_config: LogConfig) -> None:
    """Take back one :func:`oneshot_initialize_logging`; the last one ends the logging.

    Raises
    ------
    RuntimeError
        When there is none to take back.
    """
    with _lock:
        started = _initialized_log_contexts.get(log_config.uuid)
        if started is None:
            raise RuntimeError(f"{log_config!r} is not logging in this process: it was ended more often than begun")
        started.count -= 1
        if started.count == 0:
            del _initialized_log_contexts[log_config.uuid]
            started.uninit_callback()
