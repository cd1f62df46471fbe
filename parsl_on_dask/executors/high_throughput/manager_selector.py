"""Orders in which nodes are offered tasks.

A selector is asked when a Dask task is sent: the task is for a worker, of the node that is preferred, that has nothing
to do. When all are busy, Dask's scheduler chooses.
Where the names come from: Parsl's ``parsl.executors.high_throughput.manager_selector``.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from parsl_on_dask.executors.high_throughput.manager_record import ManagerRecord
from parsl_on_dask.utils import RepresentationMixin


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
