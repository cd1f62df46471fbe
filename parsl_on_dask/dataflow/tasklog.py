"""The lines of ``parsl.log`` that every task leaves.

Scripts grep for them, plug-ins read their extras, and mostly nobody reads them at all. When the run's own log file
is the only reader, a line goes straight to its buffer; as soon as anybody else has attached a handler, it is an
ordinary log record with extras.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.states import States
from parsl_on_dask.dataflow.futures import AppFuture, describe, record_of
from parsl_on_dask.logconfigs.buffered import BufferedFileHandler
from parsl_on_dask.remote.errors import SHOWN, formatted, shortened
from parsl_on_dask.remote.tracebacks import behind_ours

if TYPE_CHECKING:
    from parsl_on_dask.dataflow.taskrecord import TaskRecord

logger = logging.getLogger("parsl.dataflow.dflow")
_chain = (logger, logging.getLogger("parsl.dataflow"), logging.getLogger("parsl"), logging.getLogger())


class TaskLog:
    """Logs what happens to the tasks of one kernel."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._counts: tuple[int, ...] = ()
        self._file: BufferedFileHandler | None = None
        self._names = {state: state.name for state in States}

    def file(self) -> BufferedFileHandler | None:
        """The run's log file, if nobody else reads."""
        a, b, c, d = _chain
        counts = (len(a.handlers), len(b.handlers), len(c.handlers), len(d.handlers))
        if counts != self._counts:
            readers = [h for g in _chain for h in g.handlers if not isinstance(h, logging.NullHandler)]
            only = readers[0] if len(readers) == 1 else None
            self._file = only if isinstance(only, BufferedFileHandler) and not logger.filters else None
            self._counts = counts
        return self._file

    def submitted(self, record: TaskRecord, depends: Sequence[Future[Any]]) -> None:
        """A task was made."""
        if not logger.isEnabledFor(logging.INFO):
            return
        what = "not waiting on any dependency"
        if depends:
            what = "waiting on " + ", ".join([describe(f) for f in depends[:100]])
            if len(depends) > 100:
                what += f" and {len(depends) - 100} more"
        text, args = "Task %s submitted for App %s, %s", (record.id, record.func_name, what)
        file = self.file()
        if file is not None:  # which has the dependencies in this line
            file.line(text, *args)
            return
        for future in depends:
            self._depends(record, future)
        logger.info(text, *args, extra={"parsl.task": record.id, "parsl.app_name": record.func_name})

    def _depends(self, record: TaskRecord, future: Future[Any]) -> None:
        if isinstance(future, AppFuture) and record_of(future).dfk is record.dfk:
            extra = {"parsl.task": record.id, "parsl.dependency_task": future.tid}
            logger.info("Task %s has dependency task %s", record.id, future.tid, extra=extra)
        else:
            shown = repr(future)
            text = "Task %s has dependency future %s"
            logger.info(text, record.id, shown, extra={"parsl.task": record.id, "parsl.dependency_object": shown})

    def state(self, record: TaskRecord, before: States | None, state: States) -> None:
        """A task's state changed."""
        if not logger.isEnabledFor(logging.INFO):
            return
        names = self._names
        if before is None:
            text, args = "Task %s initializing state to %s", (record.id, names[state])
        else:
            text, args = "Task %s changing state from %s to %s", (record.id, names[before], names[state])  # type: ignore[assignment]
        file = self.file()
        if file is not None:
            file.line(text, *args)
            return
        extra = {"parsl.dfk": self.run_id, "parsl.task": record.id, "parsl.task_state": state.name}
        logger.info(text, *args, extra=extra)

    def launched(self, record: TaskRecord, number: Any, executor: Any = None) -> None:
        """A try was given to an executor, which calls it ``number``, if it says that, or is asked for one."""
        if not logger.isEnabledFor(logging.INFO):
            return
        text, args = "Parsl task %s try %s launched on executor %s", (record.id, record.fail_count, record.executor)
        if number is not None:
            text, args = text + " with executor id %s", (*args, number)  # type: ignore[assignment]
        file = self.file()
        if file is not None:
            file.line(text, *args)
        else:
            extra = {
                "parsl.dfk": self.run_id,
                "parsl.task": record.id,
                "parsl.try": record.fail_count,
                "parsl.executor": record.executor,
            }
            if number is None and hasattr(executor, "number_of_task"):
                number = executor.number_of_task()
            if number is not None:
                extra["parsl.executor_task"] = number
            logger.info(text, *args, extra=extra)
        for name in ("stdout", "stderr"):
            spec = record.kwargs.get(name)
            if spec is not None:
                # a File that is staged out has no path here
                logger.info("%s for task %s is %s", name, record.id, getattr(spec, "url", spec))


def shown(error: BaseException) -> str:
    """An exception's repr, without its end when it is long, also where a class of the user's cannot make one."""
    try:
        args = error.args
        if len(args) == 1 and type(args[0]) is str and len(args[0]) > SHOWN:  # its repr would take long, too
            return f"{type(error).__name__}({shortened(args[0])!r})"
        return shortened(repr(error))
    except BaseException as e:
        return f"<{type(error).__name__}, whose repr raises {type(e).__name__}>"


def log_failure(record: TaskRecord, error: BaseException) -> None:
    """Log that a task has failed for good, with the traceback."""
    if not logger.isEnabledFor(logging.ERROR):
        return
    trace = behind_ours(error.__traceback__) or error.__traceback__
    text = "Task %s failed after %s retry attempts"
    entry = logger.makeRecord(
        logger.name,
        logging.ERROR,
        __file__,
        sys._getframe().f_lineno,
        text,
        (record.id, record.try_id),
        (type(error), error, trace),
        "judge",
    )
    with suppress(Exception):  # what a class of the user's raises is the handler's matter, as always
        # formatters take this, where it is; theirs would repeat a text of any length
        entry.exc_text = formatted(error, trace).rstrip("\n")
    logger.handle(entry)
