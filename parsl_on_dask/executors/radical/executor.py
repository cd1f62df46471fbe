"""Parsl's executor for RADICAL-Pilot, which is refused here."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.executors.elsewhere import ElsewhereExecutor

#: What Parsl's resource specifications are called in RADICAL-Pilot.
PARSL_RP_RESOURCE_MAP = {"cores": "ranks", "disk": "lfs_per_rank", "memory": "mem_per_rank"}


class RadicalPilotExecutor(ElsewhereExecutor):
    """Refused: nodes come from a provider and tasks are given out by Dask, not by RADICAL-Pilot.

    The parameters are Parsl's.

    Raises
    ------
    ConfigurationError
        Always; the text names what to use instead.
    """

    instead = (
        "nodes come from a provider and tasks are given out by Dask here, not by RADICAL-Pilot. Write "
        "HighThroughputExecutor(provider=...) with the provider of the batch system, for example SlurmProvider, and "
        "MPIExecutor for tasks with several ranks. For resource='local.localhost' write HighThroughputExecutor()."
    )

    def __init__(
        self,
        resource: str | None = None,
        label: str = "RPEX",
        bulk_mode: bool = False,
        working_dir: str | None = None,
        rpex_cfg: Any = None,
        **rpex_pilot_kwargs: Any,
    ) -> None:
        self.refuse()

    def shutdown(self, hub: bool = True, targets: Any = "all", block: bool = False) -> None:
        """Nothing was started."""
