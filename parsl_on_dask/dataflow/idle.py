"""Waiting until a kernel has nothing to do."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import wait
from typing import Protocol

from parsl_on_dask.dataflow.taskrecord import TaskRecord

#: Seconds between two looks at whether callbacks of finished tasks have ended.
SETTLING = 0.002


class Moving(Protocol):
    """What moves tasks."""

    def moves(self) -> bool: ...


def wait_for_tasks(tasks: Mapping[int, TaskRecord]) -> None:
    """Wait for the tasks that there are now, whatever they raise."""
    for record in list(tasks.values()):
        future = getattr(record, "app_fu", None)
        if future is not None:
            try:
                future.exception()
            except BaseException as e:
                if isinstance(e, (KeyboardInterrupt, SystemExit)):
                    raise


def wait_until_settled(tasks: Mapping[int, TaskRecord], flow: Moving) -> None:
    """Wait for all tasks, also for those that join apps and callbacks make meanwhile."""
    while True:
        moving = flow.moves()  # first: what it has made by then is among the tasks
        futures = [getattr(r, "app_fu", None) for r in list(tasks.values())]
        left = [f for f in futures if f is not None and not f.done()]
        if left:
            wait(left)
        elif moving:
            time.sleep(SETTLING)
        else:
            return
