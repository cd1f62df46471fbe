"""Orders in which nodes are offered tasks.

A selector is asked when a Dask task is sent: the task is for a worker, of the node that is preferred, that has nothing
to do. When all are busy, Dask's scheduler chooses.
Where the names come from: Parsl's ``parsl.executors.high_throughput.manager_selector``.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

from parsl_on_dask.utils import RepresentationMixin


class ManagerRecord(TypedDict, total=False):
    """What a selector is told of a node. The keys are Parsl's; for annotations, and for trying selectors."""

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


class ManagerSelector(RepresentationMixin, ABC):
    """Base of the orders."""

    #: Whether all orders are the same to it, so that Dask's scheduler may choose.
    anywhere = False

    @abstractmethod
    def sort_managers(self, ready_managers: Mapping[bytes, ManagerRecord], manager_list: set[bytes]) -> list[bytes]:
        """Return ``manager_list`` in the order of preference: the last of them is given the next call.

        Parameters
        ----------
        ready_managers : mapping of bytes to dict
            ``block_id``, ``hostname``, ``worker_count`` and ``active`` of each node.
        manager_list : set of bytes
            Names of the nodes.
        """


class RandomManagerSelector(ManagerSelector):
    """A new random order each time (the default). Dask's scheduler chooses then, by load and place of values."""

    anywhere = True

    def sort_managers(self, ready_managers: Mapping[bytes, ManagerRecord], manager_list: set[bytes]) -> list[bytes]:
        return random.sample(sorted(manager_list), len(manager_list))


class BlockIdManagerSelector(ManagerSelector):
    """By block, so that the newest one is preferred."""

    def sort_managers(self, ready_managers: Mapping[bytes, ManagerRecord], manager_list: set[bytes]) -> list[bytes]:
        def place(manager: bytes) -> tuple[bool, Any]:
            block = ready_managers[manager]["block_id"]
            return (block is not None, block)

        return sorted(manager_list, key=place)
