"""What a :class:`~parsl_on_dask.executors.high_throughput.manager_selector.ManagerSelector` is told of a node."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict


class ManagerRecord(TypedDict, total=False):
    """The keys are Parsl's; for annotations, and for trying selectors of a script's own."""

    active: bool
    block_id: str | None
    drain_time: float
    draining: bool
    hostname: str
    idle_since: float | None
    last_heartbeat: float
    max_capacity: int
    packages: dict[str, str]
    parsl_version: str
    python_version: str
    start_time: float
    tasks: list[Any]
    timestamp: datetime
    worker_count: int
