"""Join apps: a task whose result is that of the futures which its body returned."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from typing import Any

from parsl_on_dask.common.states import FINAL_STATES, States
from parsl_on_dask.common.task_errors import JoinError
from parsl_on_dask.dataflow.cycles import circle_error
from parsl_on_dask.dataflow.futures import AppFuture, app_names, describe, outcome_of
from parsl_on_dask.dataflow.parts import Flow
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.lanes.callbacks import when_done
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.python_internals.futures import value_of

logger = logging.getLogger("parsl.dataflow.dflow")


class Joins:
    """Waits for inner futures on behalf of outer tasks."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow

    def begin(self, record: TaskRecord, inner: Any) -> None:
        """Take what the body returned."""
        single = isinstance(inner, Future)
        if not single and not (type(inner) is list and all(isinstance(f, Future) for f in inner)):
            text = f"join_app body must return a Future or list of Futures, got {inner} of type {type(inner)}"
            if isinstance(inner, tuple):
                text += ": return list(...) of it"
            elif not single and type(inner) is not list:
                text += f": return what the apps that it calls return, or make {record.func_name!r} a python_app"
            self.flow.complete_failure(record, States.failed, TypeError(text))
            return
        futures: list[Future[Any]] = [inner] if single else list(inner)  # the app may go on changing its list
        record.joins = inner if single else futures
        self.flow.kernel.set_state(record, States.joining)
        waiting = [f for f in futures if not f.done()]
        if not waiting:
            self.finish(record)
            return
        left = len(waiting)
        lock = threading.Lock()

        def one_done(_: Future[Any]) -> None:
            nonlocal left
            with lock:
                left -= 1
                last = not left
            if last:
                self.flow.soon(self.finish, record)

        for future in waiting:
            when_done(future, one_done)
        self.fail_in_circle(record)

    def fail_in_circle(self, record: TaskRecord) -> None:
        """Let a task fail that waits for itself, by way of others. All others then end, too."""
        error = circle_error(record)
        if error is not None:
            record.fail_history.append(repr(error))
            record.fail_count += 1
            self.flow.complete_failure(record, States.failed, error)

    def finish(self, record: TaskRecord) -> None:
        """Complete the outer task: all inner futures are done."""
        if record.status in FINAL_STATES:  # it was in a circle
            return
        joins = record.joins
        assert joins is not None
        futures = [joins] if isinstance(joins, Future) else joins
        failures = [(e, describe(f)) for f in futures if (e := outcome_of(f)) is not None]
        if failures:
            logger.debug("Task %s failed due to failure of an inner join future", record.id)
            names = app_names(futures, failures)
            error = JoinError(failures, record.id, app_name=record.func_name, dependency_app_names=names)
            record.fail_history.append(repr(error))
            record.fail_count += 1
            self.flow.complete_failure(record, States.failed, error)
            return
        if isinstance(joins, Future):
            # what stays on a worker stays there
            result: Any = value_of(joins) if isinstance(joins, AppFuture) else joins.result()
            if type(result) is RemoteValue:
                result.shared = True
            self.flow.complete(record, States.exec_done, result)
        elif any(isinstance(f, AppFuture) and type(value_of(f)) is RemoteValue for f in joins):
            self.flow.kernel.callbacks.run(self.fetch, record, joins)  # which takes a while
        else:
            self.collect(record, joins)

    def fetch(self, record: TaskRecord, joins: list[Future[Any]]) -> None:
        """Bring here what is on workers, and complete the outer task."""
        self.flow.soon(self.collect, record, joins)

    def collect(self, record: TaskRecord, joins: list[Future[Any]]) -> None:
        """Complete the outer task with a list of results."""
        try:
            results = [f.result() for f in joins]
        except Exception as e:
            self.flow.complete_failure(record, States.failed, e)
            return
        self.flow.complete(record, States.exec_done, results)
