"""``Config.initialize_logging`` in its three forms."""

from __future__ import annotations

import logging
import os
import pathlib
from collections.abc import Callable

from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.log_utils import DEFAULT_FORMAT, attach
from parsl_on_dask.logconfigs.base import LogConfig, oneshot_initialize_logging, oneshot_uninitialize_logging
from parsl_on_dask.logconfigs.buffered import BufferedFileHandler


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
