"""What Dask's own functions for tasks find on threads of ours."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from typing import Any

import distributed
import pytest
from distributed import Client, worker
from distributed.threadpoolexecutor import ThreadPoolExecutor, rejoin, secede

from parsl_on_dask.dask_internals.tasks import PlacesThreadPoolExecutor, look_for_workers
from parsl_on_dask.lanes.pool import Pool
from tests.helpers import WAIT, eventually


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(1, "test-tasks", lambda job: job())
    yield made
    made.end()
    eventually(lambda: not made.threads, "its threads have ended")


def test_look_for_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(worker.thread_state, threading.local)
    variable = getattr(worker._worker_cvar, "variable", worker._worker_cvar)
    monkeypatch.setattr(worker, "_worker_cvar", variable)
    found: list[Any] = [None]
    look_for_workers(lambda: found[0])
    look_for_workers(lambda: 1 / 0)
    with pytest.raises(ValueError, match="No worker found"):
        distributed.get_worker()
    found[0] = "the worker"
    assert distributed.get_worker() == "the worker"
    token = worker._worker_cvar.set("that of a task")
    assert distributed.get_worker() == "that of a task"
    worker._worker_cvar.reset(token)
    assert distributed.get_worker() == "the worker"


def test_tasks_run_on_the_threads_of_a_pool(pool: Pool) -> None:
    options: dict[str, Any] = {"processes": False, "dashboard_address": ":0"}
    with Client(n_workers=1, threads_per_worker=1, executor=PlacesThreadPoolExecutor(pool), **options) as client:
        assert client.submit(threading.current_thread).result(WAIT).name == "test-tasks_0"

        def ask() -> Any:
            with distributed.worker_client() as inner:
                return inner.submit(abs, -3).result(WAIT)

        assert client.submit(ask).result(WAIT) == 3
        assert isinstance(client.submit(lambda: 1 / 0).exception(WAIT), ZeroDivisionError)
        assert client.submit(abs, -1).result(WAIT) == 1


def test_leaving_and_coming_back(pool: Pool) -> None:
    executor = PlacesThreadPoolExecutor(pool)
    left, go = threading.Event(), threading.Event()

    def leave() -> int:
        secede()
        with pytest.raises(KeyError):
            secede()
        left.set()
        assert go.wait(WAIT)
        rejoin()
        return 1

    first = executor.submit(leave)
    assert left.wait(WAIT)
    assert executor.submit(abs, -2).result(WAIT) == 2, "another thread has the place"
    go.set()
    assert first.result(WAIT) == 1 and pool.threads == 1


def test_the_end_cancels_what_waits(pool: Pool) -> None:
    executor = PlacesThreadPoolExecutor(pool)
    begun, go = threading.Event(), threading.Event()
    first = executor.submit(lambda: (begun.set(), go.wait(WAIT)))
    assert begun.wait(WAIT)
    second = executor.submit(abs, -1)
    executor.shutdown(wait=False)
    assert second.cancelled() and not first.done()
    go.set()
    executor.shutdown(wait=True)
    assert first.done()


def test_dask_has_the_names_that_are_stood_for() -> None:
    for function, names in ((secede, ("_threads", "_adjust_thread_count")), (rejoin, ("_rejoin_lock", "_rejoin_list"))):
        assert set(names) <= set(function.__code__.co_names)
    made = ThreadPoolExecutor(1)
    assert all(hasattr(made, name) for name in ("_threads", "_rejoin_lock", "_rejoin_list", "_max_workers"))
    assert "_worker_cvar" in inspect.getsource(worker.get_worker)
