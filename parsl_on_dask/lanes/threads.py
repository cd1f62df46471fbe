"""The lane to the worker inside this process.

Dask gives out the slots; the calls themselves are handed over by reference. A Dask task here is a shift: a
thread of the in-process worker takes calls from one queue for as long as there are any, and a moment longer,
so that the next call finds somebody waiting.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from parsl_on_dask.clusters import dashboard
from parsl_on_dask.common import interrupts
from parsl_on_dask.common.late_threads import fill
from parsl_on_dask.dask_internals.functions import forget_handlers
from parsl_on_dask.executors import threads
from parsl_on_dask.lanes.base import Lane
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.dask_noise import is_ours
from parsl_on_dask.lanes.failures import from_failure
from parsl_on_dask.lanes.stages import BEGIN, CLAIM, FINISH, SUBMIT
from parsl_on_dask.remote import children, scratch
from parsl_on_dask.remote.execution import HOST
from parsl_on_dask.remote.reaper import REAPER

logger = logging.getLogger("parsl.lanes.threads")

#: Seconds that a thread without work keeps its slot.
LINGER = 0.05

_lanes: dict[str, ThreadsLane] = {}


_quiet_for = 0
_level = logging.NOTSET
_quiet_lock = threading.Lock()


def _quiet(step: int) -> None:
    """Keep Dask's everyday messages off a script's stderr while there is a cluster in its process."""
    global _quiet_for, _level
    theirs = logging.getLogger("distributed")
    with _quiet_lock:
        if not _quiet_for:
            _level = theirs.level
            theirs.setLevel(max(_level, logging.WARNING))
        _quiet_for += step
        if not _quiet_for:
            theirs.setLevel(_level)


def serve(token: str) -> None:
    """One shift. This is the Dask task."""
    _lanes[token].shift()


class ThreadsLane(Lane):
    """Runs calls on the threads of an in-process Dask worker."""

    executor: threads.ThreadPoolExecutor
    parsl_page = True

    def __init__(self, executor: threads.ThreadPoolExecutor) -> None:
        import dask
        from distributed import Client
        from distributed.threadpoolexecutor import ThreadPoolExecutor

        self.executor = executor
        self.label = executor.label
        self.threads = int(executor.workers_per_node)
        self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.given_lock = threading.Lock()
        self.local = threading.local()
        self.shifts = 0
        self.idle = 0
        self.given = 0
        self.done = 0
        self.closing = False
        self.now: dict[int, str] = {}
        self.token = uuid.uuid4().hex
        self.futures: deque[Any] = deque()
        _lanes[self.token] = self
        _quiet(1)
        self.scratch = scratch.make()
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix=executor.thread_name_prefix)
        fill(pool, self.threads)
        with dask.config.set({"temporary-directory": self.scratch}):
            self.cluster: Any = self._cluster(pool)
        is_ours(self.cluster.scheduler, *self.cluster.workers.values())
        try:
            dashboard.attach(self.cluster.scheduler)
            self.client = Client(self.cluster, set_as_default=False, name=f"parsl-{self.label}")
        except BaseException:
            self.cluster.close()
            _quiet(-1)
            raise

    def _cluster(self, pool: Any) -> Any:
        from distributed import LocalCluster

        return LocalCluster(
            n_workers=1,
            threads_per_worker=self.threads,
            processes=False,
            protocol="inproc",
            host=None,
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            worker_class=dashboard.plain_worker(),
            memory_limit=0,
            silence_logs=False,  # it would be undone by the first of several clusters that closes
            executor=pool,
        )

    def submit(self, call: Call) -> None:
        if getattr(self.local, "free", False):  # this thread is about to run something: let it be this
            if call.step(BEGIN) is not None:
                self.local.free = False
                self.local.call = call
        elif call.step(SUBMIT) is None:  # cancelled meanwhile
            return
        elif self.closing:
            self._refuse(call)
        else:
            self._put(call, call.name)

    def later(self, name: str, step: Callable[[Any], None], item: Any) -> None:
        if self.closing:
            step(item)
        else:
            self._put((step, item), name)

    def _put(self, item: Any, name: str) -> None:
        with self.given_lock:
            self.given += 1
        self.queue.put(item)
        if self.closing:  # it came too late to be seen by close()
            self._refuse_the_rest()
        elif self.shifts < self.threads:
            self.call_for_help(name)

    def call_for_help(self, name: str) -> None:
        with self.lock:
            if self.shifts >= self.threads or self.queue.qsize() <= self.idle:
                return
            self.shifts += 1
        try:
            future = self.client.submit(serve, self.token, key=f"{name}-{uuid.uuid4().hex}", pure=False)
        except BaseException:
            with self.lock:
                self.shifts -= 1
            raise
        with self.lock:
            self.futures.append(future)
            # shifts are over in about the order in which they began
            while len(self.futures) > 4 * self.threads and self.futures[0].done():
                self.futures.popleft()

    def shift(self) -> None:
        """Take calls until there are none for a while."""
        while True:
            with self.lock:
                self.idle += 1
            try:
                call: Any = self.queue.get(timeout=LINGER)
            except queue.Empty:
                call = None
            with self.lock:
                self.idle -= 1
                if call is None and (self.closing or self.queue.empty()):
                    self.shifts -= 1
                    return
            try:
                if type(call) is tuple:
                    call = self.take_step(*call)
                elif call is not None and call.step(CLAIM) is None:
                    call = None
                if call is not None:
                    self.run(call)
            except BaseException:  # of one call: this thread has others to run
                logger.exception("Lane %s: a call could not be completed", self.label)
            del call

    def take_step(self, step: Callable[[Any], None], item: Any) -> Call | None:
        """Do what was left for later; returns the call that this thread is to run then, if there is one."""
        local = self.local
        local.free, local.call = True, None
        try:
            step(item)
        except BaseException:
            logger.exception("Lane %s: a call could not be made ready", self.label)
        finally:
            local.free = False
        call: Call | None = local.call
        local.call = None
        if call is None:
            with self.lock:
                self.done += 1
        return call

    def run(self, call: Call) -> None:
        began = time.time()
        value, error = None, None
        function, args, kwargs = call.function, call.args, call.kwargs
        call.function, call.args, call.kwargs = None, (), {}
        assert function is not None
        self.now[threading.get_ident()] = call.name
        if self.watch is not None:
            self.watch.began(call, threading.current_thread().name, HOST, began)
        here = children.process
        try:
            value = function(*args, **kwargs)
        except BaseException as e:
            # the first frame is this one
            error = from_failure(e.with_traceback(e.__traceback__.tb_next if e.__traceback__ else None), call.name)
        if children.process != here:  # a child that the call has forked
            children.leave(error)
        del function, args, kwargs
        outcome = Outcome(value, error, threading.current_thread().name, HOST, began, time.time())
        call.step(FINISH)
        try:
            call.done(call, outcome)
        finally:
            self.now.pop(threading.get_ident(), None)
            with self.lock:
                self.done += 1

    def running(self) -> dict[str, int]:
        return Counter(list(self.now.values()))

    def withdraw(self, call: Call) -> None:
        with self.lock:
            self.done += 1

    def outstanding(self) -> int:
        return self.given - self.done

    def workers(self) -> list[dict[str, Any]]:
        address = str(next(iter(self.cluster.scheduler.workers), ""))
        return [
            {
                "address": address,
                "name": self.label,
                "host": HOST,
                "pid": os.getpid(),
                "block": None,
                "nthreads": self.threads,
            }
        ]

    def _refuse_the_rest(self) -> None:
        """Fail the calls that wait. A thread without work notices by itself that this is the end."""
        while True:
            try:
                call = self.queue.get_nowait()
            except queue.Empty:
                return
            if type(call) is tuple:
                call[0](call[1])
            elif call is not None:
                self._refuse(call)

    def _refuse(self, call: Call) -> None:
        if call.step(FINISH) is not None:
            call.done(call, Outcome(error=self.closed_error()))

    def close(self, wait: bool = True) -> None:
        """End the worker, after the calls that it runs; and after those that wait for it, if ``wait``."""
        if self.token not in _lanes:
            return
        if wait:
            given = self.given  # and not those that somebody goes on making meanwhile
            while self.done < given and self.cluster.status.name == "running" and not interrupts.came():
                time.sleep(0.005)
        self.closing = True
        self._refuse_the_rest()
        for _ in range(self.threads):
            self.queue.put(None)
        deadline = time.monotonic() + 1.0
        while self.shifts and self.cluster.status.name == "running":
            if time.monotonic() > deadline and (not wait or interrupts.came()):
                break
            time.sleep(0.002)
        self.futures.clear()
        try:
            self.client.close(timeout=5)
            self.cluster.close(timeout=5)
        except TimeoutError:
            logger.warning("Threads of executor %s still run calls, and are not waited for any longer", self.label)
        finally:
            forget_handlers()
            _quiet(-1)
            scratch.remove(self.scratch)
            REAPER.close()
            _lanes.pop(self.token, None)
