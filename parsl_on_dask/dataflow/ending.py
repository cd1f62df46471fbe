"""The end of a kernel: its steps, each of which is taken, and the error of tasks that it finds unfinished."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from parsl_on_dask.common import interrupts
from parsl_on_dask.common.states import States
from parsl_on_dask.dataflow import exits, runinfo
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.dataflow.parts import Run
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.errors import ExecutorError, InternalConsistencyError
from parsl_on_dask.lanes.stages import Stage

logger = logging.getLogger("parsl.dataflow.dflow")

#: Seconds that the end of a kernel waits for done-callbacks, when all tasks are done.
PARTING = 5.0

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


def last_steps(kernel: Run) -> Iterator[Step]:
    """What ends a kernel, in order."""
    yield "the summary of tasks", kernel.log_task_states
    yield "the hook at exit", lambda: exits.forget(kernel)
    yield "the views", kernel.views.close
    if kernel.monitoring is not None:
        yield "monitoring", kernel.monitoring.look
    yield "scaling", kernel.scaler.close
    if isinstance(kernel.memoizer, BasicMemoizer) and kernel.memoizer.checkpoint_mode is not None:
        # while there are workers that hold large results
        yield "the checkpoint", kernel.memoizer.checkpoint
    yield "staging", kernel.data_manager.close
    yield from _executors(kernel)
    if kernel.resident is not None:
        yield "the process that keeps executors", kernel.resident.close
    yield "the unfinished tasks", lambda: _fail_unfinished(kernel)
    yield "the callbacks", lambda: _finish_callbacks(kernel)
    yield "the memoizer", kernel.memoizer.close
    if kernel.flow.trace is not None:
        yield "the trace", kernel.flow.trace.close
    kernel.time_completed = datetime.now()
    yield "the end of the log", lambda: runinfo.log_end(kernel)
    yield from _monitoring(kernel)


def leave(kernel: Run, failing: bool) -> None:
    """Leave a ``with`` block, as the Config says; ``failing`` when an exception goes through it."""
    mode = kernel.config.exit_mode
    logger.debug("Exiting context manager, with exit mode '%s'", mode)
    if mode == "skip":
        return
    if mode == "wait" and not failing:
        kernel.wait_until_idle()
    elif mode not in ("cleanup", "wait"):
        raise InternalConsistencyError(f"exit_mode {mode!r} should have been refused by Config")
    if not kernel.cleanup_called:
        kernel.cleanup()


def steps_back(kernel: Run, executors: bool, failing: BaseException) -> Iterator[Step]:
    """What undoes a start that failed half-way, with the executors or without.

    What an earlier life of the script has left stays, unless the user has ended this one.
    """
    if kernel.resident is not None:
        kernel.resident.leaving = kernel.resident.again and isinstance(failing, Exception)
    if hasattr(kernel, "scaler"):
        yield "scaling", kernel.scaler.close
    if executors:
        yield from _executors(kernel)
    if kernel.resident is not None:
        yield "the process that keeps executors", kernel.resident.close
    if hasattr(kernel, "memoizer"):
        yield "the memoizer", kernel.memoizer.close
    kernel.time_completed = datetime.now()
    yield from _monitoring(kernel)


def _executors(kernel: Run) -> Iterator[Step]:
    for executor in list(kernel.executors.values()):
        yield f"executor {executor.label}", executor.shutdown


def _monitoring(kernel: Run) -> Iterator[Step]:
    if kernel.monitoring is not None:
        yield "monitoring", kernel.monitoring.close


def _finish_callbacks(kernel: Run) -> None:
    if not kernel.callbacks.wait(PARTING):
        logger.warning("Done-callbacks of this kernel's tasks still run, and are not waited for")


def _fail_unfinished(kernel: Run) -> None:
    """No future stays pending for ever."""
    left = [record for record in list(kernel.tasks.values()) if _is_unfinished(record)]
    if any(record.stage is Stage.DONE for record in left):  # what a call failed with is being kept, or judged
        kernel.callbacks.wait(PARTING)
    for record in left:
        if _is_unfinished(record):
            kernel.flow.soon(kernel.flow.complete_failure, record, States.failed, never_ran(record))


def _is_unfinished(record: TaskRecord) -> bool:
    future = getattr(record, "app_fu", None)  # which a record lets go of when its task is done
    return future is not None and not future.done()


def never_ran(record: TaskRecord) -> BaseException:
    """The error of a task that was not done when its kernel was cleaned up."""
    state = record.status.name
    return ExecutorError(
        record.dfk.executors.get(record.executor, record.executor),
        f"task {record.id} of app {record.func_name!r} was {state} when its kernel was cleaned up, and will not run. "
        "Call parsl.wait_for_current_tasks() before cleanup(), or load with Config(exit_mode='wait')",
    )
