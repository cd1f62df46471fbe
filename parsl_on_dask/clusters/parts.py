"""What the jobs of a cluster of blocks ask of it, and what their own parts ask of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from parsl_on_dask.clusters.arrays import Arrays
from parsl_on_dask.clusters.badnodes import BadNodes
from parsl_on_dask.clusters.block import Block
from parsl_on_dask.clusters.governor import Governor

if TYPE_CHECKING:
    from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor


class Cluster(Protocol):
    """A cluster of blocks, as its jobs see it."""

    executor: HighThroughputExecutor
    home: str
    label: str
    leaving: AbstractSet[str]
    orders: str
    provider: Any

    def blocks_with_workers(self) -> Collection[str | None]: ...
    def idle(self) -> Collection[str]: ...
    def retire(self, addresses: Collection[str]) -> bool: ...
    def submit(self, block: Block, scheduler: dict[str, Any] | None) -> Any: ...
    def submit_array(self, blocks: Sequence[Block]) -> list[Any]: ...
    def tell_supervisor(self, message: dict[str, Any]) -> None: ...
    def workers_of(self, blocks: Collection[str]) -> dict[str, str]: ...


class Asked(Protocol):
    """The jobs of an executor, as what asks its batch system sees them."""

    provider: Any

    def open_blocks(self) -> list[Block]: ...
    def settled(self) -> bool: ...
    def take(self, blocks: Sequence[Block]) -> None: ...


class Jobs(Asked, Protocol):
    """The jobs of an executor, as what submits and judges them sees them."""

    arrays: Arrays
    bad_nodes: BadNodes
    closing: threading.Event
    cluster: Cluster
    executor: HighThroughputExecutor
    governor: Governor
    label: str
    parallel: bool
    turn: AbstractContextManager[Any]

    def alive(self) -> bool: ...
    def cancel(self, blocks: Sequence[Block]) -> bool: ...
    def changed(self) -> None: ...
    def governor_learns(self, *what: Callable[[], None]) -> None: ...
    def was_submitted(self, block: Block, job_id: Any) -> None: ...
