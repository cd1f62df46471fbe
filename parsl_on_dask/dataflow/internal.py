"""The kernel's own threads, ``_parsl_internal``: bodies of join apps, futures of parts, staging in this process."""

from __future__ import annotations

import itertools
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.lanes.base import Lane
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.failures import from_failure
from parsl_on_dask.lanes.stages import CLAIM, FINISH, SUBMIT
from parsl_on_dask.remote import children

LABEL = "_parsl_internal"


class InternalExecutor(ParslExecutor):
    """A pool of threads that start when there is work, outside any Dask cluster."""

    storage_access = None
    working_dir = None
    remote_monitoring_radio = None

    def __init__(self, max_threads: int) -> None:
        super().__init__()
        self.label = LABEL
        self.max_threads = max_threads
        self.lane: InternalLane | None = None

    def start(self) -> None:
        """Get ready; threads start with the first task."""
        self.lane = InternalLane(self)

    def submit(
        self, func: Callable[..., Any], resource_specification: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Run a function on one of the threads."""
        assert self.lane is not None
        return self.lane.submit_call(func, resource_specification, args, kwargs)

    def validate_resource_spec(self, spec: Any) -> None:
        """Anything goes: it means nothing here."""

    def refusal(self) -> None:
        """Always takes calls."""

    def shutdown(self) -> None:
        """Let the threads end."""
        if self.lane is not None:
            self.lane.close()


class InternalLane(Lane):
    """Threads over one queue."""

    executor: InternalExecutor

    def __init__(self, executor: InternalExecutor) -> None:
        self.executor = executor
        self.label = executor.label
        self.queue: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        self.threads = 0
        self.idle = 0
        self.pending = 0
        self.closing = False

    def submit(self, call: Call) -> None:
        if call.step(SUBMIT) is None:  # cancelled meanwhile
            return
        with self.lock:
            self.pending += 1
            start = self.queue.qsize() >= self.idle and self.threads < self.executor.max_threads
            self.threads += start
        self.queue.put(call)
        if start:
            threading.Thread(target=self._work, name=f"{LABEL}_{next(self.numbers)}", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self.lock:
                self.idle += 1
            call = self.queue.get()
            with self.lock:
                self.idle -= 1
            if call is None:
                with self.lock:
                    self.threads -= 1
                return
            if call.step(CLAIM) is not None:
                self._run(call)
            with self.lock:
                self.pending -= 1
            del call

    def _run(self, call: Call) -> None:
        began = time.time()
        value, error = None, None
        assert call.function is not None
        if self.watch is not None:
            self.watch.began(call, threading.current_thread().name, "", began)
        here = children.process
        try:
            value = call.function(*call.args, **call.kwargs)
        except BaseException as e:
            error = from_failure(e, call.name)
        if children.process != here:  # a child that the call has forked
            children.leave(error)
        call.function, call.args, call.kwargs = None, (), {}
        call.step(FINISH)
        call.done(call, Outcome(value, error, threading.current_thread().name, "", began, time.time()))

    def withdraw(self, call: Call) -> None:
        """Nothing: a thread finds out when it takes the call."""

    def outstanding(self) -> int:
        return self.pending

    def workers(self) -> list[dict[str, Any]]:
        return [
            {
                "address": "",
                "name": LABEL,
                "host": "",
                "pid": os.getpid(),
                "block": None,
                "nthreads": self.executor.max_threads,
            }
        ]

    def close(self, wait: bool = False) -> None:
        self.closing = True
        with self.lock:
            threads = self.threads
        while True:
            try:
                call = self.queue.get_nowait()
            except queue.Empty:
                break
            if call is not None and call.step(FINISH) is not None:
                call.done(call, Outcome(error=self.closed_error()))
        for _ in range(threads):
            self.queue.put(None)
