"""Which of the workers that have nothing to do is given a call first: by the ``manager_selector`` of an executor."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any, Protocol

from parsl_on_dask.lanes.jobends import Where
from parsl_on_dask.lanes.shift import Shift

logger = logging.getLogger("parsl.lanes.preference")


class BatchLane(Protocol):
    """A lane, as the selector of its workers sees it."""

    executor: Any
    label: str
    preference: Preference | None
    shifts: dict[str, Shift]

    def workers(self) -> list[dict[str, Any]]: ...


class Preference:
    """Asks a selector. Used by the lane's thread only.

    - `selector`: as in Parsl, the last of its order is the first that is given a call.
    """

    def __init__(self, lane: BatchLane, selector: Any) -> None:
        self.lane = lane
        self.selector = selector

    def where(self) -> Where | None:
        """The worker that should have the next Dask task; None for any, also when all are busy."""
        records: dict[bytes, dict[str, Any]] = {}
        free: dict[bytes, list[str]] = {}
        taken = self._taken()
        for worker in self.lane.workers():
            if worker["draining"]:
                continue
            block = worker["block"]
            name = f"block-{block}@{worker.get('node') or worker['host']}".encode()
            record = records.setdefault(
                name, {"block_id": block, "hostname": worker["host"], "worker_count": 0, "active": True}
            )
            record["worker_count"] += worker["nthreads"]
            if taken[worker["address"]] < worker["nthreads"]:
                free.setdefault(name, []).append(worker["address"])
        try:
            order = self.selector.sort_managers(records, set(free)) if free else []
            return Where(free[order[-1]][:1], False) if order else None
        except Exception:
            logger.exception("The manager_selector of executor %s failed: Dask chooses from now on", self.lane.label)
            self.lane.preference = None
            return None

    def _taken(self) -> Counter[str]:
        """How many Dask tasks there are on each worker, or on their way there."""
        taken: Counter[str] = Counter()
        for shift in self.lane.shifts.values():
            address = shift.link.address if shift.started and shift.link is not None else shift.place
            if shift.calls and address:
                taken[address] += 1
        return taken


def preference_of(lane: BatchLane) -> Preference | None:
    """What the executor of a lane prefers; None where it is all the same."""
    selector = getattr(lane.executor, "manager_selector", None)
    return None if selector is None or getattr(selector, "anywhere", False) else Preference(lane, selector)
