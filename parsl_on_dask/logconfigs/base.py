"""What a log configuration is, starting each only once in a process, and ``Config.initialize_logging``."""

from __future__ import annotations

import abc
import logging
import os
import pathlib
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.log_utils import DEFAULT_FORMAT, attach
from parsl_on_dask.logconfigs.buffered import BufferedFileHandler

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


def start_logging(setting: bool | LogConfig, run_dir: str | os.PathLike[str]) -> Callable[[], None]:
    """Begin a run's log and return what ends it.

    Parameters
    ----------
    setting : bool or LogConfig
        True: ``parsl.log`` in the run directory; False: nothing; or what a LogConfig does.
    run_dir : str or PathLike

    Raises
    ------
    ConfigurationError
        When `setting` is neither.
    """
    directory = pathlib.Path(run_dir)
    if setting is False:
        return lambda: None
    if setting is True:
        directory.mkdir(parents=True, exist_ok=True)
        return attach(BufferedFileHandler(directory / "parsl.log"), "parsl", logging.DEBUG, DEFAULT_FORMAT)
    if not isinstance(setting, LogConfig):
        raise ConfigurationError(
            f"Config(initialize_logging={setting!r}): write True, False, or a LogConfig such as "
            "parsl.logconfigs.json.JSONLogging()"
        )
    config = setting
    oneshot_initialize_logging(log_config=config, log_dir=directory, log_name="parsl")
    return lambda: oneshot_uninitialize_logging(log_config=config)
