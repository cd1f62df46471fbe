"""How many blocks an executor should have: Parsl's strategies.

Read on Parsl's page on elasticity; the formula is in :func:`decide`.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from parsl_on_dask.clusters import is_beside
from parsl_on_dask.jobs.states import TERMINAL_STATES, JobState

if TYPE_CHECKING:
    from parsl_on_dask.config import Config

logger = logging.getLogger("parsl.jobs.strategy")

#: Seconds between two looks while calls wait and there is no block at all.
IMPATIENT = 0.2


class Demand(NamedTuple):
    """What a decision depends on.

    - `tasks`: calls that wait or run.
    - `blocks`: blocks that run or were asked for.
    - `per_block`: calls that a block can run at a time.
    - `parallelism`: wanted ratio of slots to calls, 0 to 1.
    - `idle`: seconds for which there have been no calls.
    """

    tasks: int
    blocks: int
    per_block: int
    min_blocks: int
    max_blocks: float
    parallelism: float
    idle: float


def decide(demand: Demand, max_idletime: float, shrink_early: bool) -> int:
    """How many blocks to add (positive) or to give back (negative).

    - `max_idletime`: seconds without calls after which blocks are given back.
    - `shrink_early`: whether blocks are given back while there are calls, too: strategy 'htex_auto_scale'.

    Examples
    --------
    >>> decide(Demand(10, 1, 2, 0, 4, 1.0, 0.0), 120.0, False)
    3
    >>> decide(Demand(0, 3, 2, 1, 4, 1.0, 121.0), 120.0, False)
    -2
    >>> decide(Demand(1, 0, 2, 0, 4, 0.0, 0.0), 120.0, False)
    1
    """
    tasks, blocks, per_block, least, most, parallelism, idle = demand
    slots = blocks * per_block
    room = most - blocks
    if tasks == 0:
        return -(blocks - least) if blocks > least and idle > max_idletime else 0
    if slots / tasks < parallelism:
        wanted = math.ceil(math.ceil(tasks * parallelism - slots) / per_block)
        return max(0, int(min(wanted, room)))
    if slots == 0:
        return 1 if room >= 1 else 0
    if shrink_early and slots > tasks and blocks > least:
        surplus = math.floor(math.floor(slots - tasks * parallelism) / per_block)
        return -min(surplus, blocks - least)
    return 0


def live(states: Iterable[JobState]) -> list[JobState]:
    """The states of blocks that run or may still run.

    Examples
    --------
    >>> live([JobState.COMPLETED, JobState.PENDING, JobState.SCALED_IN])
    [<JobState.PENDING: 1>]
    """
    return [state for state in states if state not in TERMINAL_STATES]


class Scaler:
    """Scales the executors of a kernel, from a thread of its own.

    - `config`: its ``strategy``, ``strategy_period`` and ``max_idletime``.
    """

    def __init__(self, config: Config) -> None:
        self.strategy = config.strategy
        self.period = float(config.strategy_period)
        self.max_idletime = float(config.max_idletime)
        self.executors: list[Any] = []
        self.idle_since: dict[str, float] = {}
        self.block_idle_since: dict[str, dict[str, float]] = {}
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None

    def add(self, executor: Any) -> None:
        """Look after an executor, if it has a provider whose number of blocks may change."""
        lane = getattr(executor, "lane", None)
        if lane is not None:
            lane.in_kernel = True
        provider = None if lane is None else getattr(lane.executor, "provider", None)
        if provider is None or self.strategy in (None, "none") or getattr(lane, "kept", False):
            return
        fixed = provider.max_blocks <= provider.init_blocks and provider.min_blocks >= provider.init_blocks
        if fixed and is_beside(provider):
            return  # these last as long as their executor; jobs end, and others take their place
        self.executors.append(executor)
        executor.lane.scaled = True
        if self.thread is None:
            self.thread = threading.Thread(target=self._run, name="parsl-scaler", daemon=True)
            self.thread.start()

    def _run(self) -> None:
        pause = IMPATIENT
        last = 0.0
        while not self.ended.wait(pause):
            due = time.monotonic() - last >= self.period
            if due:
                last = time.monotonic()
            pause = min(self.period, IMPATIENT)
            for executor in self.executors:
                try:
                    if due or (executor.outstanding() and not self._had_blocks(executor)):
                        self._scale(executor)
                except Exception:
                    logger.exception("Executor %s could not be scaled", executor.label)

    def _had_blocks(self, executor: Any) -> bool:
        """Whether there are blocks, or the newest one failed: then the next has to wait for its turn."""
        states = [status.state for status in executor.lane.status().values()]
        return bool(states) and (len(live(states)) > 0 or states[-1] in (JobState.FAILED, JobState.MISSING))

    def _scale(self, executor: Any) -> None:
        lane = executor.lane
        if lane is None or lane.executor.bad_state_is_set:
            return
        provider = lane.executor.provider  # not the executor's own, where the command line says where all run
        tasks = executor.outstanding()
        now = time.monotonic()
        since = self.idle_since.setdefault(executor.label, now)
        if tasks:
            self.idle_since[executor.label] = now
        demand = Demand(
            tasks,
            len(live([status.state for status in lane.status().values()])),
            max(1, lane.slots_per_block()),
            provider.min_blocks,
            provider.max_blocks,
            provider.parallelism,
            0.0 if tasks else now - since,
        )
        change = decide(demand, self.max_idletime, self.strategy == "htex_auto_scale")
        if change > 0:
            logger.info("Executor %s: %s tasks, %s blocks; adding %s", executor.label, tasks, demand.blocks, change)
            lane.scale_out(change)
        elif change < 0:
            among = self._long_idle(executor.label, lane, now) if tasks else None
            gone = lane.scale_in(-change, among)
            logger.info("Executor %s: %s tasks, %s blocks; gave back %s", executor.label, tasks, demand.blocks, gone)

    def _long_idle(self, label: str, lane: Any, now: float) -> set[str]:
        """The blocks that have run nothing for the idle time, although there are tasks."""
        idle = lane.idle_blocks()
        known = self.block_idle_since.setdefault(label, {})
        for block in set(known) - idle:
            del known[block]
        for block in idle:
            known.setdefault(block, now)
        return {block for block, since in known.items() if now - since > self.max_idletime}

    def close(self) -> None:
        """End the thread."""
        self.ended.set()
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join(10)
