"""The provider for Cobalt, which Parsl removed in 2024 and which is refused here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.jobs.states import JobStatus
from parsl_on_dask.providers.cluster_provider import ClusterProvider


class CobaltProvider(ClusterProvider):
    """Refused: the machines that had Cobalt have PBS Pro now.

    The parameters are Parsl's.

    Raises
    ------
    ConfigurationError
        Always; the text names what to use instead.
    """

    def __init__(
        self,
        channel: Any = None,
        nodes_per_block: int = 1,
        init_blocks: int = 0,
        min_blocks: int = 0,
        max_blocks: int = 1,
        parallelism: float = 1,
        walltime: str = "00:10:00",
        account: str | None = None,
        queue: str | None = None,
        scheduler_options: str = "",
        worker_init: str = "",
        launcher: Any = None,
        cmd_timeout: float = 10,
    ) -> None:
        raise ConfigurationError(
            "CobaltProvider: Cobalt is gone, from Parsl in 2024.11 and from the machines that had it. Write "
            "PBSProProvider(...), which has the same arguments; scheduler_options takes lines of '#PBS'."
        )

    def execute_wait(self, cmd: str, timeout: float | None = None) -> tuple[int, str, str]:
        """Run a command, as every provider for a batch system can."""
        return super().execute_wait(cmd, timeout)

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.auto") -> object:
        """Never reached, since none can be constructed."""
        return None

    def status(self, job_ids: Sequence[Any]) -> list[JobStatus]:
        """Return an empty list."""
        return []

    def cancel(self, job_ids: Sequence[Any]) -> list[bool]:
        """Return an empty list."""
        return []

    def _status(self) -> None:
        """There are no jobs."""

    @property
    def status_polling_interval(self) -> int:
        """60 seconds."""
        return 60
