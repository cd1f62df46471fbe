"""Reads what dead workers of blocks have left in the folders that their nodes share with this process."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress

from parsl_on_dask.clusters.base import End
from parsl_on_dask.clusters.block import Block
from parsl_on_dask.remote import journal

#: Seconds that the journal of a dead worker may take to arrive.
ARRIVAL = 1.0
#: Seconds for which a block that left no journal in that time is not waited for again.
SILENT = 10.0


class Remains:
    """Reads journals and ends, once each."""

    def __init__(self) -> None:
        self._silent: dict[str, float] = {}

    def last_of(self, block: Block, worker: str) -> tuple[int, list[bytes]] | None:
        """Number of the call that a worker was running (0: none) and its last reports; None if it left no journal."""
        path = journal.path_of(block.folder, worker)
        # a node that is gone writes no journals: its other workers' are not waited for
        patient = time.monotonic() - self._silent.get(block.name, -100.0) > SILENT
        deadline = time.monotonic() + (ARRIVAL if patient else 0.0)
        while True:
            found = journal.read(path)
            if found is not None:
                with suppress(OSError):
                    os.unlink(path)
                return found
            if time.monotonic() >= deadline:
                break
            time.sleep(0.01)
        if patient:
            self._silent[block.name] = time.monotonic()
        return None

    def end_of(self, block: Block, worker: str) -> End | None:
        """How the process of a worker ended; None if its supervisor did not write that down."""
        path = os.path.join(block.folder, worker + ".end")
        try:  # it is written before the journal, for which last_of() has waited
            with open(path) as file:
                end = End(**json.load(file))
            os.unlink(path)
        except (OSError, ValueError, TypeError):
            return None
        return end
