"""Moves tasks on: launching, tries, completion. All of it happens in the steps of a :class:`Loop`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from time import time
from typing import Any

from parsl_on_dask.common.raising import as_it_came
from parsl_on_dask.common.states import FINAL_STATES, States
from parsl_on_dask.common.task_errors import DependencyError
from parsl_on_dask.dataflow.ahead import Ahead
from parsl_on_dask.dataflow.arguments import let_go_of, remote_values, unwrap
from parsl_on_dask.dataflow.futures import AppFuture, app_names, describe, outcome_of, record_of
from parsl_on_dask.dataflow.joins import Joins
from parsl_on_dask.dataflow.lookup import Recalled
from parsl_on_dask.dataflow.loop import Loop
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.dataflow.parts import Kernel
from parsl_on_dask.dataflow.retries import Retries
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.lanes import stages
from parsl_on_dask.lanes.base import Lane
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.callbacks import when_done
from parsl_on_dask.lanes.stages import CANCEL, CLAIM, LAUNCH, SUBMIT, Stage
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.monitoring.run_trace import RunTrace
from parsl_on_dask.python_internals.futures import value_of
from parsl_on_dask.python_internals.light_future import LightFuture

logger = logging.getLogger("parsl.dataflow.dflow")


class Flow:
    """Moves the tasks of one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.lock = threading.Lock()
        self.loop = Loop(self.broken)
        self.soon = self.loop.soon
        self.starts = self.start  # one object for all that wait
        self.retries, self.joins, self.ahead = Retries(self), Joins(self), Ahead(self)
        self.trace: RunTrace | None = RunTrace(kernel.run_dir) if kernel.config.trace else None

    def moves(self) -> bool:
        """Whether another thread moves tasks on, or runs callbacks of theirs, which may call more apps."""
        return self.loop.busy or self.kernel.callbacks.busy

    def broken(self, record: TaskRecord, error: BaseException) -> None:
        """End a task that cannot be moved on."""
        logger.exception("Task %s cannot go on", record.id)
        try:
            self.complete_failure(record, States.failed, error)
        except Exception:
            logger.exception("Task %s cannot be completed", record.id)
            future = getattr(record, "app_fu", None)
            if future is not None and not future.done():
                future.set_exception(error)

    # -- dependencies ------------------------------------------------------------------------------------------

    def admit(self, record: TaskRecord, depends: Sequence[Future[Any]], light: bool = False) -> None:
        """Launch a new task when its dependencies are done.

        - `light`: whether nothing that the caller may change is among the arguments, so that they can be looked at
          later.
        """
        record.depends = depends
        waiting = [f for f in depends if not f.done()] if depends else depends
        if waiting:
            record.awaited = len(waiting)
            for future in waiting:
                if not self.follow(future, record):
                    when_done(future, lambda _: self.one_done(record))
            self.ahead.hold(record)
        # a known result is quicker taken than handed to another thread
        elif light and not record.memoize and not self.loop.is_here():
            lane = getattr(self.kernel.executors.get(record.executor), "lane", None)
            if lane is None or not lane.knows(record.func):
                self.soon(self.launch, record)
            else:  # which has threads of its own
                lane.later(record.func_name, self.starts, record)
        else:
            self.soon(self.launch, record)

    def start(self, record: TaskRecord) -> None:
        """Launch a task from a thread of its lane's."""
        self.soon(self.launch, record)

    def follow(self, future: Future[Any], record: TaskRecord) -> bool:
        """Put a task on the list of those that wait for another one. False when that is no task, or done."""
        if type(future) is not AppFuture or record_of(future).dfk is not self.kernel:
            return False
        leader = record_of(future)
        with self.lock:
            if leader.followers is None:
                return False
            if leader.followers:
                leader.followers.append(record)  # type: ignore[attr-defined]
            else:
                leader.followers = [record]
        return True

    def one_done(self, record: TaskRecord) -> None:
        """One of a task's dependencies is done."""
        with self.lock:
            record.awaited -= 1
            left = record.awaited
        if not left:
            self.soon(self.launch, record)

    def release(self, record: TaskRecord) -> None:
        """Tell those that wait for a task that it is done."""
        with self.lock:
            followers, record.followers = record.followers, None
        for follower in followers or ():
            self.one_done(follower)

    # -- launching -----------------------------------------------------------------------------------------------

    def launch(self, record: TaskRecord) -> None:
        """Start a try of a task whose dependencies are done."""
        if record.status is not States.pending:
            return
        if record.step(LAUNCH) is None and record.stage is Stage.CANCELLED:
            return
        kernel = self.kernel
        executor = kernel.executors.get(record.executor)
        lane = getattr(executor, "lane", None)
        refs: tuple[Any, ...] = ()
        if record.depends:
            self.ahead.held.discard(record.id)
            failures = [(e, describe(f)) for f in record.depends if (e := outcome_of(f)) is not None]
            if not failures:
                try:
                    record.args, record.kwargs, failures = unwrap(kernel, record, lane)
                except Exception as e:
                    self.retries.failed(record, e)
                    return
                refs = remote_values(record.depends, lane)
            if failures:
                logger.info("Task %s failed due to dependency failure", record.id)
                names = app_names(record.depends, failures)
                error = DependencyError(failures, record.id, app_name=record.func_name, dependency_app_names=names)
                self.retries.failed(record, error)
                return
        record.try_launched = time()
        try:
            known = kernel.memoizer.check_memo(record)
            if known is not None:
                logger.info("Reusing cached result for task %s", record.id)
                record.from_memo = True
                record.exec_fu = known
                if not known.done():
                    when_done(known, lambda f: self.soon(self.reuse, record, f))
                    self.joins.fail_in_circle(record)
                    return
            else:
                record.from_memo = False
                if executor is None:
                    logger.error("Task %s requested invalid executor %s", record.id, record.executor)
                    raise ValueError(
                        f"Task {record.id} requested invalid executor {record.executor}: "
                        f"the loaded Config has {', '.join(map(repr, kernel.labels())) or 'none'}"
                    )
                self.hand_over(record, executor, lane, refs)
        except Exception as e:
            self.retries.failed(record, e)
        else:
            if known is not None:
                self.reuse(record, known)

    def hand_over(self, record: TaskRecord, executor: Any, lane: Lane | None, refs: tuple[Any, ...]) -> None:
        """Give a try to its executor."""
        kernel = self.kernel
        spec = record.resource_specification or {}
        if lane is None:  # an executor of somebody else's making
            if record.step(SUBMIT) is None or record.step(CLAIM) is None:  # cancelled meanwhile
                return
            future = executor.submit(record.func, spec, *record.args, **record.kwargs)
            self.launched(record, future)
            record.exec_fu = future
            future.add_done_callback(lambda f: self.soon(self.foreign_done, record, f))
            return
        refusal = executor.refusal()
        if refusal is not None:
            raise refusal
        func = record.func
        options = record.get("options")
        if options is not None:
            spec = options.specification(spec, executor.option_keys)
        if spec:
            executor.validate_resource_spec(spec)
            func, spec = executor.with_limits(func, spec)
        present = record.current_try
        if isinstance(present, Call):  # it went ahead; its arguments are there only now
            call = present
            call.args, call.kwargs = record.args, record.kwargs or {}
        else:
            call = Call(record.func_name, func, record.args, record.kwargs or {}, spec, self.lane_done, record)
            record.lane = lane
            if not record.take(call, Stage.LAUNCHING):  # cancelled meanwhile
                return
        call.refs = refs
        call.waited = bool(record.depends)
        if refs and not kernel.config.retries and kernel.config.retry_handler is None:  # a try may change its values
            call.own = let_go_of(record, refs)
        # before the lane has it: its outcome may come while this thread is still here
        if not self.launched(record, None, executor):
            return
        lane.submit(call)
        if record.followers:
            self.ahead.resume(record)

    def launched(self, record: TaskRecord, future: Any, executor: Any = None) -> bool:
        if not self.kernel.set_state(record, States.launched):
            return False
        self.kernel.tasklog.launched(record, getattr(future, "parsl_executor_task_id", None), executor)
        return True

    def cancel(self, record: TaskRecord, error: BaseException | None = None) -> bool:
        """Cancel a task that nobody has begun, or let it fail with an ``error``; False when it is too late."""
        with stages.lock:
            before = record.stage
            present = record.current_try
            if record.status in FINAL_STATES or before is Stage.CANCELLED:
                return before is Stage.CANCELLED
            # one whose worker was lost may have been begun
            if (isinstance(present, Call) and present.uncharged) or record.step(CANCEL) is None:
                return False
        if isinstance(present, Call) and before is not Stage.LAUNCHING and record.lane is not None:
            record.lane.withdraw(present)
        logger.info("Task %s was cancelled", record.id)
        record.returned = time()
        future = self.end(record, States.failed)
        if future is not None:
            if error is None:
                future.end_cancelled()
            else:
                future.set_exception(error)
            self.release(record)
        return True

    def kill(self, record: TaskRecord) -> bool:
        """Cancel a task, or have its running call ended; False when neither can be done."""
        if self.cancel(record):
            return True
        present, lane = record.current_try, record.lane
        return isinstance(present, Call) and present.stage is Stage.SENT and lane is not None and lane.kill(present)

    # -- outcomes ------------------------------------------------------------------------------------------------

    def lane_done(self, call: Call, outcome: Outcome) -> None:
        """A lane's answer. Runs in the lane's thread."""
        self.soon(self.returned, call.owner, call, outcome)

    def returned(self, record: TaskRecord, call: Call, outcome: Outcome) -> None:
        if record.current_try is not call or record.status in FINAL_STATES:
            return
        record.current_try = Stage.DONE
        record.try_returned = time()
        if self.kernel.watch is not None:
            self.kernel.watch.ran(record, outcome)
        if self.trace is not None:
            self.trace.add(record, outcome)
        if outcome.error is not None:
            self.retries.failed(record, outcome.error)
        else:
            self.succeeded(record, outcome.value)

    def foreign_done(self, record: TaskRecord, future: Future[Any]) -> None:
        record.try_returned = time()
        error = outcome_of(future)
        if error is not None:
            self.retries.failed(record, error)
            return
        value = future.result()
        reraise = getattr(value, "reraise", None)
        if reraise is not None and type(value).__name__ == "RemoteExceptionWrapper":
            try:
                reraise()
            except Exception as e:
                self.retries.failed(record, e)
                return
        self.succeeded(record, value)

    def reuse(self, record: TaskRecord, known: Future[Any]) -> None:
        if record.status in FINAL_STATES:  # it waited for itself
            return
        record.try_returned = time()
        if type(known) is Recalled:
            self.reused(record, known.value)
            return
        error = outcome_of(known) if known.cancelled() else as_it_came(known)
        if known.cancelled():  # an equal call that was to run first: this one runs itself
            record.exec_fu = None
            self.soon(self.launch, record)
        elif error is not None:
            self.retries.failed(record, error)
        else:
            value = value_of(known) if isinstance(known, LightFuture) else known.result()
            self.reused(record, value)

    def reused(self, record: TaskRecord, value: Any) -> None:
        if type(value) is RemoteValue:
            value.shared = True
        self.complete(record, States.memo_done, value, record.try_returned)

    def succeeded(self, record: TaskRecord, value: Any) -> None:
        if record.join:
            self.joins.begin(record, value)
        else:
            self.complete(record, States.exec_done, value, record.try_returned)

    # -- completion ----------------------------------------------------------------------------------------------

    def complete(self, record: TaskRecord, state: States, value: Any, at: float | None = None) -> None:
        """Give a task its result: first the cache and the counters, then whoever waits. ``at``: default now."""
        if record.status in FINAL_STATES:
            return
        record.returned = at or time()
        held = None
        try:
            held = self.kernel.memoizer.update_memo_result(record, value)
        except BaseException:
            logger.exception("the memoizer failed for the result of task %s", record.id)
        if isinstance(held, Future) and not held.done():
            when_done(held, lambda held: self.soon(self.recorded, record, state, value, held))
        else:
            self.conclude(record, state, value)

    def recorded(self, record: TaskRecord, state: States, value: Any, held: Future[Any]) -> None:
        """Complete a task whose result is on disk, or was lost before it was."""
        error = outcome_of(held)
        if error is None:
            self.conclude(record, state, value)
        else:
            self.retries.failed(record, error)

    def conclude(self, record: TaskRecord, state: States, value: Any) -> None:
        """Let everybody see a task's result."""
        future = self.end(record, state)
        if future is not None:
            future.set_result(value)
            future.forget_callbacks()
            self.release(record)

    def complete_failure(self, record: TaskRecord, state: States, error: BaseException) -> None:
        """Let a task fail."""
        if record.status in FINAL_STATES:
            return
        record.returned = time()
        try:
            self.kernel.memoizer.update_memo_exception(record, error)
        except BaseException:
            logger.exception("the memoizer failed for the exception of task %s", record.id)
        future = self.end(record, state)
        if future is not None:
            future.set_exception(error)
            future.forget_callbacks()
            self.release(record)
        if self.kernel.config.fail_fast:
            self.retries.stop(record, error)

    def _is_shown(self) -> bool:
        """Whether functions of the user's are given the records of tasks, which they may keep."""
        config = self.kernel.config
        shown = config.retry_handler is not None or config.std_autopath is not None
        return shown or type(self.kernel.memoizer) is not BasicMemoizer

    def end(self, record: TaskRecord, state: States) -> LightFuture[Any] | None:
        """Put a task into its final state and let go of what it held.

        Returns its future, to be completed next; None when the task has ended already.
        """
        future = getattr(record, "app_fu", None)  # None when another thread has ended it meanwhile
        if not self.kernel.set_state(record, state):
            return None
        self.kernel.forget(record)
        if record.depends:
            self.ahead.held.discard(record.id)
        present = record.current_try
        if isinstance(present, Call):
            if record.lane is not None:
                record.lane.drop(present)  # if it went ahead, it is not wanted any more
            record.current_try = present.stage
        if self.kernel.config.garbage_collect:
            if type(record.exec_fu) is Recalled:
                record.exec_fu = None
            if self._is_shown() and future is not None:
                record.tie(future)
            record.let_go()
        return future
