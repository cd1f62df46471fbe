"""Keeps account of what an executor's blocks ask for and use, by looking at the blocks once a second.

Nothing is counted where calls pass: what runs is what the lane knows at the moment of a look.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from parsl_on_dask.clusters.block import Block
from parsl_on_dask.clusters.blockspec import job_seconds
from parsl_on_dask.common import overrides
from parsl_on_dask.jobs.node_hours import NODE_HOURS, BlockHours, NodeHours, dump
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.remote.sidefiles import replacing

logger = logging.getLogger("parsl.clusters.ledger")

#: Seconds between two writings of the file; the first comes sooner, so that a run which is killed early has one.
WRITE, FIRST = 60.0, 5.0


class Ledger:
    """The account of one executor.

    - `label`: of the executor.
    - `home`: directory of the file.
    - `blocks`: the executor's blocks as they come.
    - `slots`: how many calls the workers of each block can run at a time.
    - `clock`: the time, in seconds that go steadily.
    """

    def __init__(
        self,
        label: str,
        provider: Any,
        home: str,
        blocks: Mapping[str, Block],
        slots: Mapping[str | None, int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.blocks = blocks
        self.slots = slots
        self.clock = clock
        self.path = os.path.join(home, NODE_HOURS)
        system = str(getattr(provider, "label", type(provider).__name__))
        self.hours = NodeHours(label, system, clusters=getattr(provider, "clusters", None))
        self.nodes = int(getattr(provider, "nodes_per_block", 1))
        self.walltime = job_seconds(provider)
        self.open: dict[str, BlockHours] = {}
        self.looked = self.written = clock()
        self.due = FIRST
        self.lock, self.writing = threading.Lock(), threading.Lock()
        self.number, self.on_disk = 0, 0

    def look(self, busy: Mapping[str | None, float]) -> None:
        """Take the time since the last look into account.

        - `busy`: how many of its slots each block uses.
        """
        with self.lock:
            self._look(busy)
            if not self.hours.blocks or self.looked - self.written < self.due:
                return
            self.written, self.due = self.looked, WRITE
        # the disk may be slow, and the lane that looks has other things to do
        threading.Thread(target=self._write, args=self._page(), name="parsl-node-hours", daemon=True).start()

    def _look(self, busy: Mapping[str | None, float]) -> None:
        now = self.clock()
        passed, self.looked = now - self.looked, now
        blocks = self.blocks
        if len(blocks) > len(self.hours.blocks):
            known = {b.block for b in self.hours.blocks}
            for name in [n for n in list(blocks) if n not in known]:
                new = BlockHours(name, self.nodes, walltime=self.walltime, asked=time.time())
                self.open[name] = new
                self.hours.blocks.append(new)
        slots = self.slots
        for name, hours in list(self.open.items()):
            block = blocks[name]
            state = block.status.state
            hours.state = state.name
            hours.job = None if block.job_id is None else str(block.job_id)
            # workers tell sooner than the batch system when they come and go
            if slots[name] or (state is JobState.RUNNING and not block.connected):
                hours.used += passed
                working = min(1.0, busy.get(name, 0.0) / slots[name]) if slots[name] else 0.0
                hours.idle += passed * (1.0 - working)
            elif not block.gone and not hours.used:
                hours.queued += passed
            if block.gone:
                del self.open[name]

    def now(self) -> NodeHours:
        """What is known so far."""
        with self.lock:
            return NodeHours(
                self.hours.label, self.hours.system, [copy(b) for b in self.hours.blocks], clusters=self.hours.clusters
            )

    def close(self) -> None:
        """Take the last seconds into account, and leave the numbers in the run's directory and in its log."""
        with self.lock:
            self._look({})
        hours = self.now()
        if not hours.blocks:
            return
        self._write(*self._page())
        line = f"Executor {hours.label}: {hours.summary()}"
        logger.info(line)
        if overrides.show_progress:
            print(line, file=sys.stderr)

    def _page(self) -> tuple[int, str]:
        """Text for the file, and its number."""
        with self.lock:
            self.number += 1
            return self.number, dump(self.hours)

    def _write(self, number: int, text: str) -> None:
        with self.writing:
            if number < self.on_disk:  # a later one is there already
                return
            self.on_disk = number
            try:
                with replacing(self.path) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
                    file.write(text)
            except OSError as e:
                logger.info("Executor %s: its node-hours cannot be written: %s", self.hours.label, e)
