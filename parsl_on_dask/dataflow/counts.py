"""How many tasks of a kernel are in which state."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from parsl_on_dask.common.states import FINAL_STATES, States

if TYPE_CHECKING:
    from parsl_on_dask.dataflow.taskrecord import TaskRecord

logger = logging.getLogger("parsl.dataflow.dflow")


class StateCounts:
    """Moves tasks from one state to the next, and counts them.

    - `of_apps`: the same as `of_tasks` for each app, by the number of the state.
    - `lock`: held while a state and its counts change.
    """

    def __init__(self) -> None:
        self.of_tasks = dict.fromkeys(States, 0)
        self.of_apps: dict[str, list[int]] = {}
        self.lock = threading.Lock()

    def move(self, record: TaskRecord, state: States, new: bool) -> tuple[bool, States | None]:
        """Put a task into a state. Whether that was done, since a final state stays; and the state before."""
        with self.lock:
            before: States | None = None if new else getattr(record, "status", None)
            if before in FINAL_STATES:
                return False, before
            if before is not None:
                self.of_tasks[before] -= 1
            self.of_tasks[state] += 1
            of_app = self.of_apps.get(record.func_name)
            if of_app is None:
                of_app = self.of_apps[record.func_name] = [0] * (max(States) + 1)
            elif before is not None:
                of_app[before] -= 1
            of_app[state] += 1
            record.status = state
            return True, before

    def log(self) -> None:
        """Log how many tasks are in each state."""
        logger.info("Summary of tasks in DFK:")
        with self.lock:
            for state in States:
                logger.info("Tasks in state %s: %s", state, self.of_tasks[state])
