"""No logging."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from parsl_on_dask.logconfigs.base import LogConfig


class NoopLogging(LogConfig):
    """Writes no log, neither here nor on workers: for the shortest time per task. (Parsl's NoopLogging.)

    Examples
    --------
    >>> import pathlib
    >>> NoopLogging().initialize_logging(log_dir=pathlib.Path("."), log_name="parsl")()
    """

    def __repr__(self) -> str:
        return "NoopLogging()"

    def initialize_logging(self, *, log_dir: pathlib.Path, log_name: str) -> Callable[[], None]:
        """Do nothing."""
        return _nothing


def _nothing() -> None:
    pass
