"""Tasks that wait for each other.

Only a join can close such a circle, or a call that waits for an equal one: what a task depends on is there before the
task is.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.task_errors import JoinError
from parsl_on_dask.data_provider.data_future import DataFuture
from parsl_on_dask.dataflow.futures import AppFuture, record_of
from parsl_on_dask.python_internals.futures import callbacks_of

if TYPE_CHECKING:
    from parsl_on_dask.dataflow.taskrecord import TaskRecord


def circle_error(record: TaskRecord) -> JoinError | None:
    """The error of a task that waits for itself; None when it does not.

    To be called when the task has been put down with all that it waits for: of several threads that close a circle at
    the same moment, the last one sees it.
    """
    # a task that nobody waits for is in no circle, and most joins are known by that
    future = getattr(record, "app_fu", None)
    if not record.followers and (future is None or not callbacks_of(future)):
        return None
    came: dict[TaskRecord, tuple[TaskRecord, str]] = {}
    unseen = [record]
    while unseen:
        waiting = unseen.pop()
        for verb, other in _awaited(waiting):
            if other is record:
                steps = [f"{verb} task {record.id}"]
                while waiting is not record:
                    name = f"task {waiting.id} (app {waiting.func_name})"
                    waiting, verb = came[waiting]
                    steps.append(f"{verb} {name}")
                return JoinError([], record.id, app_name=record.func_name, circle=steps[::-1])
            if other not in came:
                came[other] = (waiting, verb)
                unseen.append(other)
    return None


def _awaited(record: TaskRecord) -> Iterator[tuple[str, TaskRecord]]:
    """The unfinished tasks that a task waits for, each with how it does."""
    joins = record.joins
    known = record.exec_fu if record.from_memo else None
    ways: tuple[tuple[str, Any], ...] = (
        ("joins", (joins,) if isinstance(joins, Future) else joins),
        ("depends on", record.depends),
        ("waits for the result of its equal,", (known,) if known is not None else ()),
    )
    for verb, futures in ways:
        for future in futures or ():
            source = future.parent if isinstance(future, DataFuture) else future
            if isinstance(source, AppFuture) and not source.done():
                yield verb, record_of(source)
