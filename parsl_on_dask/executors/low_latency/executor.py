"""``LowLatencyExecutor``, which Parsl removed in 2023, as the executor that took its place."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
from parsl_on_dask.old_spellings.legacy import warn_once
from parsl_on_dask.providers.base import ExecutionProvider


class LowLatencyExecutor(HighThroughputExecutor):
    """A :class:`~parsl_on_dask.executors.HighThroughputExecutor` with a fixed number of workers on each node.

    The parameters are Parsl's; ``workers_per_node`` is today's ``max_workers_per_node``, and default 1.
    """

    def __init__(
        self,
        label: str = "LowLatencyExecutor",
        provider: ExecutionProvider | None = None,
        launch_cmd: str | None = None,
        address: str | None = "127.0.0.1",
        worker_port: int | None = None,
        worker_port_range: tuple[int, int] | None = (54000, 55000),
        interchange_port_range: tuple[int, int] | None = (55000, 56000),
        working_dir: str | None = None,
        worker_debug: bool = False,
        workers_per_node: int = 1,
        managed: bool | None = None,
        storage_access: list[Any] | None = None,
    ) -> None:
        warn_once("LowLatencyExecutor", "LowLatencyExecutor is gone: write HighThroughputExecutor(...).")
        super().__init__(
            label=label,
            provider=provider,
            launch_cmd=launch_cmd,
            address=address,
            worker_port=worker_port,
            worker_port_range=worker_port_range,
            interchange_port_range=interchange_port_range,
            storage_access=storage_access,
            working_dir=working_dir,
            worker_debug=worker_debug,
            max_workers_per_node=workers_per_node,
            managed=managed,
        )
