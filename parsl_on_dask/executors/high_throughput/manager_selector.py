"""Orders in which nodes are offered tasks.

Dask's scheduler chooses workers here, so a selector given to an executor is kept and shown but not asked.
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

    @abstractmethod
    def sort_managers(self, ready_managers: Mapping[bytes, ManagerRecord], manager_list: set[bytes]) -> list[bytes]:
        """Return ``manager_list`` in the order in which its members are offered tasks."""


class RandomManagerSelector(ManagerSelector):
    """A new random order each time (the default)."""

    def sort_managers(self, ready_managers: Mapping[bytes, ManagerRecord], manager_list: set[bytes]) -> list[bytes]:
        return random.sample(sorted(manager_list), len(manager_list))


class BlockIdManagerSelector(ManagerSelector):
    """By block, the oldest first and nodes without a block before all."""

    def sort_managers(self, ready_managers: Mapping[bytes, ManagerRecord], manager_list: set[bytes]) -> list[bytes]:
        def place(manager: bytes) -> tuple[bool, Any]:
            block = ready_managers[manager]["block_id"]
            return (block is not None, block)

        return sorted(manager_list, key=place)
