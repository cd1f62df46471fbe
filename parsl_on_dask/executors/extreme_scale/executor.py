"""``ExtremeScaleExecutor``, which Parsl removed in 2023, as the executor that took its place."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
from parsl_on_dask.old_spellings.legacy import warn_once
from parsl_on_dask.providers.base import ExecutionProvider


class ExtremeScaleExecutor(HighThroughputExecutor):
    """A :class:`~parsl_on_dask.executors.HighThroughputExecutor` with a fixed number of workers on each node.

    The parameters are Parsl's. Its workers were the ranks of an MPI program: ``ranks_per_node`` is today's
    ``max_workers_per_node``, and default 1. One of Parsl's ranks of each block gave out the work and ran none.
    """

    def __init__(
        self,
        label: str = "ExtremeScaleExecutor",
        provider: ExecutionProvider | None = None,
        launch_cmd: str | None = None,
        address: str | None = "127.0.0.1",
        worker_ports: tuple[int, int] | None = None,
        worker_port_range: tuple[int, int] | None = (54000, 55000),
        interchange_port_range: tuple[int, int] | None = (55000, 56000),
        storage_access: list[Any] | None = None,
        working_dir: str | None = None,
        worker_debug: bool = False,
        ranks_per_node: int = 1,
        heartbeat_threshold: int = 120,
        heartbeat_period: int = 30,
        managed: bool | None = None,
    ) -> None:
        warn_once(
            "ExtremeScaleExecutor",
            "ExtremeScaleExecutor is gone: write HighThroughputExecutor(...), or MPIExecutor(...) for apps that start "
            "MPI programs.",
        )
        self.ranks_per_node = ranks_per_node
        super().__init__(
            label=label,
            provider=provider,
            launch_cmd=launch_cmd,
            address=address,
            worker_ports=worker_ports,
            worker_port_range=worker_port_range,
            interchange_port_range=interchange_port_range,
            storage_access=storage_access,
            working_dir=working_dir,
            worker_debug=worker_debug,
            max_workers_per_node=ranks_per_node,
            heartbeat_threshold=heartbeat_threshold,
            heartbeat_period=heartbeat_period,
            managed=managed,
        )
