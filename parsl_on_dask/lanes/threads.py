"""Calls on threads of this process, to which arguments and results are handed over by reference."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common import interrupts, late_threads
from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.executors.threads import ThreadPoolExecutor
from parsl_on_dask.lanes.base import Lane
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.failures import from_failure
from parsl_on_dask.lanes.in_process import InProcessDask
from parsl_on_dask.lanes.pool import Pool
from parsl_on_dask.lanes.stages import BEGIN, CLAIM, FINISH, SUBMIT
from parsl_on_dask.remote import children, walltime
from parsl_on_dask.remote.execution import HOST
from parsl_on_dask.remote.reaper import REAPER

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger("parsl.lanes.threads")


class PlainLane(Lane):
    """Runs calls on the threads of a pool.

    - `threads`: the most calls at a time.
    - `prefix`: how the names of the threads begin.
    """

    host = ""

    def __init__(self, executor: ParslExecutor, threads: int, prefix: str) -> None:
        self.executor = executor
        self.label = executor.label
        self.pool = Pool(threads, prefix, self.take)
        self.lock = threading.Lock()
        self.given = 0
        self.done = 0
        self.closing = False
        self.now: dict[int, Call] = {}
        walltime.overdue.append(self.overdue)

    def submit(self, call: Call) -> None:
        if call.step(SUBMIT) is None:  # cancelled meanwhile
            return
        if self.closing:
            self._refuse(call)
        else:
            self.put(call)

    def put(self, item: Any) -> None:
        """Have a thread take a call, or whatever else :meth:`take` knows."""
        with self.lock:
            self.given += 1
        self.pool.put(item)
        if self.closing:  # it came too late to be seen by close()
            self._refuse_the_rest()

    def take(self, item: Any) -> None:
        """Run what a thread has taken from the queue."""
        try:
            if item.step(CLAIM) is not None:
                self.run(item)
        except BaseException:  # of one call: this thread has others to run
            logger.exception("Lane %s: a call could not be completed", self.label)

    def run(self, call: Call) -> None:
        """Run a call, and give it its outcome."""
        began = time.time()
        value, error = None, None
        function, args, kwargs = call.function, call.args, call.kwargs
        call.function, call.args, call.kwargs = None, (), {}
        assert function is not None
        thread = threading.current_thread()
        self.now[thread.ident] = call  # type: ignore[index]
        if self.watch is not None:
            self.watch.began(call, thread.name, self.host, began)
        here = children.process
        try:
            value = function(*args, **kwargs)
        except BaseException as e:
            # the first frame is this one
            error = from_failure(e.with_traceback(e.__traceback__.tb_next if e.__traceback__ else None), call.name)
        if children.process != here:  # a child that the call has forked
            children.leave(error)
        del function, args, kwargs
        outcome = Outcome(value, error, thread.name, self.host, began, time.time())
        try:
            if call.step(FINISH) is not None:
                call.done(call, outcome)
        finally:
            self.now.pop(thread.ident, None)  # type: ignore[arg-type]
            self.ended()

    def overdue(self) -> Callable[[BaseException], None] | None:
        """What to tell when the call of this thread goes on after its walltime."""
        call = self.now.get(threading.get_ident())
        return None if call is None else partial(self.let_go_on, call)

    def let_go_on(self, call: Call, error: BaseException) -> None:
        """Let a call fail whose thread goes on with it. On another thread."""
        if call.step(FINISH) is not None:
            logger.warning(
                "Executor %s: app %s goes on after its walltime, and keeps one of %d threads: it is in C code",
                *(self.label, call.name, self.pool.places),
            )
            call.done(call, Outcome(None, from_failure(error, call.name), "", self.host))

    def ended(self) -> None:
        """Count what :meth:`put` was given and is over."""
        with self.lock:
            self.done += 1

    def running(self) -> dict[str, int]:
        return Counter([call.name for call in list(self.now.values())])

    def withdraw(self, call: Call) -> None:
        self.ended()

    def outstanding(self) -> int:
        return self.given - self.done

    def workers(self) -> list[dict[str, Any]]:
        return [
            {
                "address": "",
                "name": self.label,
                "host": self.host,
                "pid": os.getpid(),
                "block": None,
                "nthreads": self.pool.places,
            }
        ]

    def _refuse_the_rest(self) -> None:
        """Fail the calls that wait."""
        while True:
            try:
                item = self.pool.queue.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                self.refuse(item)

    def refuse(self, item: Any) -> None:
        """Do what there is to do with something that waits, and will not be taken any more."""
        if self._refuse(item):
            self.ended()

    def _refuse(self, call: Call) -> bool:
        if call.step(FINISH) is None:
            return False
        call.done(call, Outcome(error=self.closed_error()))
        return True

    def close(self, wait: bool = False) -> None:
        """End, without waiting for the calls that run."""
        self.closing = True
        with suppress(ValueError):
            walltime.overdue.remove(self.overdue)
        self._refuse_the_rest()
        self.pool.end()


class ThreadsLane(PlainLane):
    """Runs calls on threads that they share with the tasks of a Dask cluster, when somebody asks for one."""

    executor: ThreadPoolExecutor
    parsl_page = True
    host = HOST

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        super().__init__(executor, executor.workers_per_node, executor.thread_name_prefix)
        self.local = threading.local()
        self.dask = InProcessDask(self.label, self.pool, self.now, self.closed_error)
        self.pool.begin = self.dask.take_thread
        if late_threads.LATE:
            self.pool.fill()

    @property
    def client(self) -> Client:
        """A client of the Dask cluster in this process, which is made when it is first asked for."""
        return self.dask.client

    def when_connected(self, function: Callable[[], None]) -> None:
        self.dask.when_there(function)

    def submit(self, call: Call) -> None:
        if getattr(self.local, "free", False):  # this thread is about to run something: let it be this
            if call.step(BEGIN) is not None:
                self.local.free = False
                self.local.call = call
        else:
            super().submit(call)

    def later(self, name: str, step: Callable[[Any], None], item: Any) -> None:
        if self.closing:
            step(item)
        else:
            self.put((step, item))

    def take(self, item: Any) -> None:
        if isinstance(item, Call):
            super().take(item)
        elif type(item) is not tuple:
            item()  # of Dask
        else:
            call = self.take_step(*item)
            if call is not None:
                try:
                    self.run(call)
                except BaseException:
                    logger.exception("Lane %s: a call could not be completed", self.label)
        if self.dask.asked:
            self.dask.let_go_of_call()

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
            self.ended()
        return call

    def workers(self) -> list[dict[str, Any]]:
        return [{**worker, "address": self.dask.address()} for worker in super().workers()]

    def refuse(self, item: Any) -> None:
        if isinstance(item, Call):
            super().refuse(item)
        elif type(item) is tuple:
            item[0](item[1])
            self.ended()
        # and the tasks of Dask end with their worker

    def close(self, wait: bool = True) -> None:
        """End the threads, after the calls that they run; and after those that wait for them, if ``wait``."""
        if self.closing:
            return
        if wait:
            given = self.given  # and not those that somebody goes on making meanwhile
            while self.done < given and not interrupts.came():
                time.sleep(0.005)
        super().close()
        deadline = time.monotonic() + 1.0
        while self.outstanding():
            if time.monotonic() > deadline and (not wait or interrupts.came()):
                logger.warning("Threads of executor %s still run calls, and are not waited for any longer", self.label)
                break
            time.sleep(0.002)
        self.dask.close()
        REAPER.close()
