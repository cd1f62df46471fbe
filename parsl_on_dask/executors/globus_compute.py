"""Parsl's executor for Globus Compute, which is refused here."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.executors.elsewhere import ElsewhereExecutor


class GlobusComputeExecutor(ElsewhereExecutor):
    """Refused: tasks run on Dask clusters, not on endpoints of Globus Compute.

    The parameters are Parsl's.

    Raises
    ------
    ConfigurationError
        Always; the text names what to use instead.
    """

    instead = (
        "tasks run on Dask clusters here, not on endpoints of Globus Compute. Start a Dask cluster where the endpoint "
        "runs (`dask scheduler` and `dask worker`, with TLS across sites) and write DaskExecutor('tls://host:8786', "
        "security=...), or run the script there with HighThroughputExecutor(provider=...). "
        "For single calls use globus_compute_sdk.Executor itself: apps take its futures as arguments."
    )

    def __init__(
        self,
        executor: Any = None,
        label: str = "GlobusComputeExecutor",
        storage_access: list[Any] | None = None,
        working_dir: str | None = None,
    ) -> None:
        self.refuse()

    def shutdown(self) -> None:
        """Nothing was started."""
