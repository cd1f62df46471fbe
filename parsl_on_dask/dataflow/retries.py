"""Decides what a failed try leads to: the next try, or the end of its task."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.app_errors import AppKilled
from parsl_on_dask.common.states import States
from parsl_on_dask.common.task_errors import DependencyError, RunStopped
from parsl_on_dask.dataflow.parts import Flow
from parsl_on_dask.dataflow.surroundings import surroundings
from parsl_on_dask.dataflow.tasklog import log_failure, shown
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.lanes.failures import each_its_own

if TYPE_CHECKING:
    from parsl_on_dask.dataflow.kept_calls import KeptCalls

logger = logging.getLogger("parsl.dataflow.dflow")


class Retries:
    """Decides about failed tries, by ``Config(retries=, retry_handler=)``."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.kernel = flow.kernel
        self.began = surroundings()
        #: why nothing is run any more, with ``Config(fail_fast=True)``
        self.stopped: RunStopped | None = None

    def failed(self, record: TaskRecord, error: BaseException) -> None:
        """A try failed: try again, or let the task fail."""
        logger.info("Task %s try %s failed with exception of type %s", record.id, record.try_id, type(error).__name__)
        record.fail_history.append(shown(error))
        record.fail_count += 1
        if self.kernel.config.retry_handler is None:
            record.fail_cost += 1
            self.judge(record, error)
        else:  # which may take long, or call apps and wait for them
            self.kernel.callbacks.run(self.ask, record, error)

    def ask(self, record: TaskRecord, error: BaseException) -> None:
        """Ask the user's ``retry_handler`` what a failed try costs."""
        handler: Any = self.kernel.config.retry_handler
        try:
            record.fail_cost += handler(error, record)
        except BaseException as e:  # also when what it returned is no number
            logger.exception("retry_handler raised an exception - will not retry")
            record.fail_cost = self.kernel.config.retries + 1
            error = e
        self.flow.soon(self.judge, record, error)

    def _may_try_again(self, record: TaskRecord, error: BaseException) -> bool:
        options = record.get("options")
        if isinstance(error, AppKilled) or (options is not None and not options.retried(error)):
            return False
        retries: int = self.kernel.config.retries
        if options is not None and options.retries is not None:
            retries = options.retries
        return bool(record.fail_cost <= retries)

    def judge(self, record: TaskRecord, error: BaseException) -> None:
        """Begin the next try of a task whose last one failed, or let the task fail."""
        kernel = self.kernel
        if isinstance(error, DependencyError):
            logger.info("Task %s failed due to dependency failure so skipping retries", record.id)
            self.flow.complete_failure(record, States.dep_fail, error)
        elif self._may_try_again(record, error) and not kernel.cleanup_called:
            if not kernel.set_state(record, States.fail_retryable):  # cancelled meanwhile
                return
            record.try_id += 1
            record.try_launched = record.try_returned = None
            record.fail_history = []
            record.try_again()
            kernel.set_state(record, States.pending)
            self.flow.soon(self.flow.launch, record)
        else:
            log_failure(record, error)
            kept = self.kept_calls
            if kept is not None and kept.wants(record, error):
                kernel.callbacks.run(self.keep, kept, record, error)
            else:
                self.flow.complete_failure(record, States.failed, error)

    @functools.cached_property
    def kept_calls(self) -> KeptCalls | None:
        """Where failed calls are kept; None where they are not."""
        sizes, kernel = self.kernel.config.kept_failures, self.kernel
        if sizes is None:
            return None
        from parsl_on_dask.dataflow.kept_calls import KeptCalls

        return KeptCalls(kernel.run_dir, *sizes, {e.label: e for e in kernel.config.executors}, self.began)

    def keep(self, kept: KeptCalls, record: TaskRecord, error: BaseException) -> None:
        """Keep what it takes to run a call again that has failed for good, and let it fail."""
        try:
            kept.keep(record, error)
        finally:
            self.flow.soon(self.flow.complete_failure, record, States.failed, error)

    def stop(self, record: TaskRecord, error: BaseException) -> None:
        """Have nothing more run, since a task has failed."""
        if self.stopped is not None:
            return
        self.stopped = RunStopped(record.id, record.func_name)
        self.stopped.__cause__ = error
        for other in list(self.kernel.tasks.values()):
            if self.flow.cancel(other, each_its_own(self.stopped)):
                self.stopped.not_run[other.func_name] += 1
        logger.error("%s", self.stopped)
