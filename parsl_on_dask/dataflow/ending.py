"""Errors of tasks that a clean-up found unfinished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsl_on_dask.errors import ExecutorError

if TYPE_CHECKING:
    from parsl_on_dask.dataflow.taskrecord import TaskRecord


def never_ran(record: TaskRecord) -> BaseException:
    """The error of a task that was not done when its kernel was cleaned up."""
    state = record.status.name
    return ExecutorError(
        record.dfk.executors.get(record.executor, record.executor),
        f"task {record.id} of app {record.func_name!r} was {state} when its kernel was cleaned up, and will not run. "
        "Call parsl.wait_for_current_tasks() before cleanup(), or load with Config(exit_mode='wait')",
    )
