"""What becomes of the calls of a notebook's cell that is interrupted: those that it has made end with it.

Calls of earlier cells go on. A cell that waits for these can be run again, and so can a cell that makes its own.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Protocol


class CellsKernel(Protocol):
    """A kernel, as what looks after the cells sees it."""

    cleanup_called: bool
    task_count: int

    @property
    def config(self) -> Any:
        """Its Config."""

    @property
    def tasks(self) -> Mapping[int, Any]:
        """The records of its tasks, by id."""

    def cancel_task(self, record: Any, running: bool = False) -> bool:
        """Cancel a task, also one that is running."""


def watch(kernel: CellsKernel) -> None:
    """Have the calls of interrupted cells ended from now on. Does nothing outside of IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and kernel.config.cancel_on_interrupt:
        Cells(kernel, shell.events)


class Cells:
    """Looks after the cells of an IPython shell for as long as a kernel is used.

    - `events`: those of the shell.
    """

    def __init__(self, kernel: CellsKernel, events: Any) -> None:
        self.kernel = weakref.ref(kernel)
        self.events = events
        #: the first task of the present cell
        self.first = kernel.task_count
        events.register("pre_run_cell", self.begins)
        events.register("post_run_cell", self.ended)

    def begins(self, _: Any) -> None:
        kernel = self.kernel()
        if kernel is None or kernel.cleanup_called:
            self.events.unregister("pre_run_cell", self.begins)
            self.events.unregister("post_run_cell", self.ended)
        else:
            self.first = kernel.task_count

    def ended(self, result: Any) -> None:
        kernel = self.kernel()
        if isinstance(result.error_in_exec, KeyboardInterrupt) and kernel is not None and not kernel.cleanup_called:
            said = end_calls(kernel, self.first)
            if said:
                print(said, file=sys.stderr)


def end_calls(kernel: CellsKernel, first: int) -> str:
    """End the tasks of a cell that are not done, the latest first; returns what is to be said of it.

    - `first`: the id of the first of them.
    """
    tasks = list(kernel.tasks.values())
    earlier = with_inputs(task for task in tasks if task.id < first)
    others = sum(task.id < first and not _is_done(task) for task in tasks)
    mine = [task for task in tasks if task.id >= first and task.id not in earlier and not _is_done(task)]
    cancelled = {task.id for task in reversed(mine) if kernel.cancel_task(task, running=True)}
    for task in mine:  # what was sent ahead fails with what it waits for
        if not cancelled.isdisjoint(getattr(future, "tid", None) for future in task.depends):
            cancelled.add(task.id)
    ended = len(cancelled)
    said = []
    if ended:
        said.append(
            f"{_calls(ended)} of the interrupted cell cancelled (Config(cancel_on_interrupt=False) leaves them)"
        )
    if len(mine) > ended:
        said.append(f"{_calls(len(mine) - ended)} of it cannot be ended while running")
    if others:
        verb = "go" if others > 1 else "goes"
        said.append(f"{_calls(others)} of earlier cells {verb} on (parsl.dfk().cancel() ends all)")
    return "; ".join(said)


def with_inputs(tasks: Iterable[Any]) -> set[int]:
    """Ids of tasks that are not done, and of all that they wait for: what a join has made counts to that."""
    found: dict[int, Any] = {task.id: task for task in tasks if not _is_done(task)}
    waiting = list(found.values())
    for task in waiting:  # which grows meanwhile
        joins = task.joins
        for future in (*task.depends, *(joins if isinstance(joins, (list, tuple)) else [joins])):
            record = getattr(future, "task_record", None)
            if record is not None and record.id not in found:
                found[record.id] = record
                waiting.append(record)
    return set(found)


def _is_done(task: Any) -> bool:
    future = getattr(task, "app_fu", None)
    return future is None or bool(future.done())


def _calls(number: int) -> str:
    return f"{number} call{'s' if number > 1 else ''}"
