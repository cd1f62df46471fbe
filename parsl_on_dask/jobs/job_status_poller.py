"""Parsl's thread that looks after blocks, which the clusters of executors do here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from parsl_on_dask.errors import ConfigurationError


class JobStatusPoller:
    """Refused: each executor's cluster looks after its own blocks.

    The parameters are Parsl's.

    Raises
    ------
    ConfigurationError
        Always; the text names what to use instead.
    """

    _instead = (
        "JobStatusPoller: each executor's cluster looks after its own blocks. Give Config strategy=, strategy_period= "
        "and max_idletime=; read states with executor.status(), and scale with executor.scale_out_facade(n)."
    )

    def __init__(self, *, strategy: str | None, max_idletime: float, strategy_period: float, dfk: Any = None) -> None:
        raise ConfigurationError(self._instead)

    def poll(self) -> None:
        """Never reached, since none can be constructed."""

    def add_executors(self, executors: Sequence[Any]) -> None:
        """Never reached, since none can be constructed."""

    def make_callback(self, kind: Any = None) -> Callable[[], None]:
        """Never reached, since none can be constructed."""
        return self.poll

    def close(self, timeout: float | None = None) -> None:
        """Never reached, since none can be constructed."""
