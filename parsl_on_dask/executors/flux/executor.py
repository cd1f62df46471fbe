"""Parsl's executor for Flux, which is refused here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parsl_on_dask.executors.elsewhere import ElsewhereExecutor


class FluxExecutor(ElsewhereExecutor):
    """Refused: tasks are scheduled by Dask, not by Flux.

    The parameters are Parsl's.

    Raises
    ------
    ConfigurationError
        Always; the text names what to use instead.
    """

    DEFAULT_LAUNCH_CMD = ""
    instead = (
        "tasks are given out by Dask here, not by Flux. For blocks of a batch system write "
        "HighThroughputExecutor(provider=...) with the same provider, and MPIExecutor for tasks with several ranks. "
        "Inside a Flux allocation DaskExecutor(hosts='allocation') takes its nodes."
    )

    def __init__(
        self,
        provider: Any = None,
        working_dir: str | None = None,
        label: str = "FluxExecutor",
        flux_executor_kwargs: Mapping[str, Any] = {},  # Parsl's signature; it is not touched
        flux_path: str | None = None,
        launch_cmd: str | None = None,
        managed: bool | None = None,
    ) -> None:
        self.refuse()

    def scale_in(self, *args: Any, **kwargs: Any) -> list[str]:
        """Never reached, since none can be constructed."""
        return []

    def shutdown(self, wait: bool = True) -> None:
        """Nothing was started."""
