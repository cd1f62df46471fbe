"""What code asks of Dask that runs in a task, or on a thread that is to be taken for one of a worker's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures import wait as futures_wait
from contextlib import nullcontext
from time import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Worker

#: Seconds that the end of a worker waits for tasks that run.
PARTING = 5.0


class _WorkerOfThread:
    """Stands for ``distributed.worker._worker_cvar``, and knows the workers of threads that have none in it."""

    def __init__(self, variable: Any, find: Callable[[], Worker | None]) -> None:
        self.variable = variable
        self.set, self.reset = variable.set, variable.reset
        self.find = find

    def get(self) -> Worker:
        try:
            worker: Worker = self.variable.get()
        except LookupError:
            found = self.find()
            if found is None:
                raise
            return found
        return worker


def look_for_workers(find: Callable[[], Worker | None]) -> None:
    """Have ``get_worker``, and what uses it, ask a function where no task of Dask's runs. Again: does nothing.

    ``get_worker`` reads the context variable ``distributed.worker._worker_cvar``, by that name.

    - `find`: returns the worker of the calling thread, or None.
    """
    from distributed import worker

    if not isinstance(worker._worker_cvar, _WorkerOfThread):
        worker._worker_cvar = _WorkerOfThread(worker._worker_cvar, find)  # type: ignore[assignment]


class PlacesThreadPoolExecutor(Executor):
    """The threads of a worker: those of a pool of ours.

    distributed gives a task its context (``get_worker`` and the rest) only in pools whose class has
    "ThreadPoolExecutor" in its name. What ``distributed.threadpoolexecutor.secede`` and ``rejoin`` use of the calling
    thread's pool is here under their names: ``_threads``, ``_adjust_thread_count``, ``_rejoin_lock``, ``_rejoin_list``.

    - `pool`: a :class:`~parsl_on_dask.lanes.pool.Pool` that takes functions without arguments, among other things.
    """

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self._max_workers = pool.places
        self._jobs: set[Future[Any]] = set()
        self._threads = _Leaving(pool)
        self._rejoin_lock = nullcontext()
        self._rejoin_list = _Returning(pool)

    def _adjust_thread_count(self) -> None:
        """Nothing: the pool has seen to it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._jobs.add(future)
        future.add_done_callback(self._jobs.discard)

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            self.adopt_thread()
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as e:
                future.set_exception(e)

        self.pool.put(job)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        jobs = [job for job in list(self._jobs) if not job.cancel()]
        if wait:
            futures_wait(jobs, PARTING)

    def adopt_thread(self) -> None:
        """Have Dask take the calling thread for one of this pool's; it looks at ``threadpoolexecutor.thread_state``."""
        from distributed.threadpoolexecutor import thread_state

        thread_state.executor = self

    def adopt_call(self, worker: Worker, name: str) -> None:
        """Have Dask take what runs on the calling thread for a task, by ``distributed.utils.thread_state``."""
        self.adopt_thread()
        _state().__dict__.update(key=name, start_time=time(), execution_state=worker.execution_state)

    @staticmethod
    def let_go_of_call() -> None:
        """Undo :meth:`adopt_call`, on the same thread."""
        for name in ("key", "start_time", "execution_state"):
            _state().__dict__.pop(name, None)


def _state() -> Any:
    from distributed import utils

    return vars(utils)["thread_state"]


class _Leaving:
    """``remove`` has the calling thread leave its place; Dask expects what a set does where it is not there."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool

    def remove(self, thread: threading.Thread) -> None:
        if not self.pool.leave():
            raise KeyError(thread)


class _Returning:
    """``append`` has the calling thread come back to a place."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool

    def append(self, item: tuple[threading.Thread, threading.Event]) -> None:
        self.pool.come_back(item[1].set)
