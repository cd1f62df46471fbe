"""The Dask of a lane of threads: scheduler, worker and client inside this process, made when somebody asks for one.

Most scripts on threads never do, and need not import ``distributed``. Asking is: a Dask future or collection among the
arguments of a call, ``lane.client``, the dashboard, and in an app whatever ends in ``distributed.get_worker``: that,
``get_client``, ``worker_client``, ``compute()`` of a collection. Tasks of Dask and calls of apps have one pool.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common import late_threads
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.pool import Pool
from parsl_on_dask.remote import scratch

if TYPE_CHECKING:
    from distributed import Client, Worker

logger = logging.getLogger("parsl.lanes.in_process")

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


#: What the calling thread belongs to, if it is one of a lane.
_here = threading.local()


def worker_here() -> Worker | None:
    """The Dask worker that the calling thread belongs to, made if need be; None when it is no thread of a lane."""
    dask: InProcessDask | None = getattr(_here, "dask", None)
    return None if dask is None else dask.worker_of_call()


class InProcessDask:
    """A Dask cluster in this process whose tasks run on the threads of a lane.

    - `label`: of the executor.
    - `pool`: the threads. It has to take functions without arguments.
    - `calls`: what the threads are at: calls, by the threads' ids.
    - `closed_error`: makes the error of those that ask when the lane was closed.
    """

    def __init__(
        self, label: str, pool: Pool, calls: Mapping[int, Call], closed_error: Callable[[], BaseException]
    ) -> None:
        self.label = label
        self.pool = pool
        self.calls = calls
        self.closed_error = closed_error
        self.lock = threading.Lock()
        self.closed = False
        self._coming: Future[tuple[Any, Client]] | None = None
        self._executor: Any = None
        self._greeters: list[Callable[[], None]] = []
        #: Threads whose calls Dask takes for tasks.
        self.asked: set[int] = set()

    @property
    def client(self) -> Client:
        """A client of it.

        Raises ExecutorError when the lane was closed.
        """
        return self._parts()[1]

    def when_there(self, function: Callable[[], None]) -> None:
        """Call a function when it has been made; now, if that is over. It must not wait for anything."""
        with self.lock:
            there = self._coming is not None and self._coming.done()
            if not there:
                self._greeters.append(function)
        if there:
            function()

    def take_thread(self) -> None:
        """Have the calling thread be one of the worker's."""
        _here.dask = self

    def worker_of_call(self) -> Worker:
        """The worker, for the call that runs on this thread, which Dask then takes for a task."""
        worker: Worker = next(iter(self._parts()[0].workers.values()))
        call = self.calls.get(threading.get_ident())
        self._executor.adopt_call(worker, "call" if call is None else call.name)
        self.asked.add(threading.get_ident())
        return worker

    def let_go_of_call(self) -> None:
        """The call that runs on this thread has ended."""
        me = threading.get_ident()
        if me in self.asked:
            self.asked.discard(me)
            self._executor.let_go_of_call()

    def address(self) -> str:
        """The worker's address; "" while there is none."""
        coming = self._coming
        if coming is None or not coming.done():
            return ""
        return str(next(iter(coming.result()[0].scheduler.workers), ""))

    def _parts(self) -> tuple[Any, Client]:
        with self.lock:
            if self.closed:
                raise self.closed_error()
            coming, ask = self._coming, self._coming is None
            if coming is None:
                coming = self._coming = Future()
        if ask:
            # in a thread of its own: Dask takes over what it finds in the context of the one that asks
            late_threads.beside(self._make, coming, name="parsl-in-process")
        return coming.result()

    def _make(self, coming: Future[tuple[Any, Client]]) -> None:
        try:
            parts = self._start()
        except BaseException as e:
            with self.lock:
                self._coming = None  # the next one that asks may have more luck
            coming.set_exception(e)
            return
        with self.lock:
            greeters, self._greeters = self._greeters, []
            coming.set_result(parts)
        for function in greeters:
            try:
                function()
            except Exception:
                logger.exception("Executor %s: its Dask cluster could not be shown", self.label)

    def _start(self) -> tuple[Any, Client]:
        import dask
        from distributed import Client, LocalCluster

        from parsl_on_dask.clusters import dashboard
        from parsl_on_dask.dask_internals.tasks import PlacesThreadPoolExecutor
        from parsl_on_dask.lanes.dask_noise import is_ours

        self._executor = PlacesThreadPoolExecutor(self.pool)
        self.scratch = scratch.make()
        _quiet(1)
        cluster: Any = None
        try:
            with dask.config.set({"temporary-directory": self.scratch}):
                cluster = LocalCluster(
                    n_workers=1,
                    threads_per_worker=self.pool.places,
                    processes=False,
                    protocol="inproc",
                    host=None,
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address="127.0.0.1:0",
                    scheduler_kwargs={"dashboard": False},
                    worker_class=dashboard.plain_worker(),
                    memory_limit=0,
                    silence_logs=False,  # it would be undone by the first of several clusters that closes
                    executor=self._executor,
                )
            is_ours(cluster.scheduler, *cluster.workers.values())
            dashboard.attach(cluster.scheduler)
            client = Client(cluster, set_as_default=False, name=f"parsl-{self.label}")
        except BaseException:
            if cluster is not None:
                cluster.close()
            self._forget()
            raise
        logger.info("Executor %s has a Dask cluster in this process, %s", self.label, cluster.scheduler_address)
        return cluster, client

    def _forget(self) -> None:
        _quiet(-1)
        scratch.remove(self.scratch)

    def close(self) -> None:
        """End what was made. Quiet when called again, and when nothing was."""
        with self.lock:
            closed, self.closed = self.closed, True
            coming = self._coming
        if closed or coming is None:
            return
        try:
            cluster, client = coming.result()
        except Exception:  # who asked was told
            return
        self._end(cluster, client)

    def _end(self, cluster: Any, client: Any) -> None:
        from parsl_on_dask.dask_internals.functions import forget_handlers

        try:
            client.close(timeout=5)
            cluster.close(timeout=5)
        except TimeoutError:
            logger.warning("Executor %s: tasks of Dask still run, and are not waited for any longer", self.label)
        finally:
            forget_handlers()
            self._forget()
            self._coming = None
