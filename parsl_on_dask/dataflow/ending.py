"""The end of a kernel: every step of it is taken, and tasks that it finds unfinished get an error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common import interrupts
from parsl_on_dask.errors import ExecutorError

if TYPE_CHECKING:
    from parsl_on_dask.dataflow.taskrecord import TaskRecord

logger = logging.getLogger("parsl.dataflow.dflow")

#: What a step shuts down, and how.
Step = tuple[str, Callable[[], Any]]


def take_all(steps: Iterable[Step]) -> None:
    """Take every step, whatever the others raise. The first Ctrl-C meanwhile is raised when all have been taken.

    Raises
    ------
    BaseException
        The first one that a step raised, when all have been taken. The log has all of them.

    Examples
    --------
    >>> taken = []
    >>> take_all([("one", lambda: 1 / 0), ("other", lambda: taken.append("other"))])
    Traceback (most recent call last):
    ZeroDivisionError: division by zero
    >>> taken
    ['other']
    """
    first: BaseException | None = None
    with interrupts.deferred():
        for what, step in steps:
            try:
                step()
            except BaseException as e:
                logger.exception("Shutting down: %s failed", what)
                first = first or e
    if first is not None:
        raise first


def never_ran(record: TaskRecord) -> BaseException:
    """The error of a task that was not done when its kernel was cleaned up."""
    state = record.status.name
    return ExecutorError(
        record.dfk.executors.get(record.executor, record.executor),
        f"task {record.id} of app {record.func_name!r} was {state} when its kernel was cleaned up, and will not run. "
        "Call parsl.wait_for_current_tasks() before cleanup(), or load with Config(exit_mode='wait')",
    )
