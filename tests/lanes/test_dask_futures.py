"""Dask futures that stand for futures of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import distributed
import pytest
from distributed import Client

import parsl_on_dask
from parsl_on_dask import python_app
from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.lanes.dask_futures import dask_future_of
from parsl_on_dask.lanes.dask_protocol import DaskProtocol
from tests.helpers import WAIT, eventually

WARM = True


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0") as made:
        parsl_on_dask.load(made)
        yield made
        parsl_on_dask.clear()


@python_app
def value(x: Any) -> Any:
    return x


def held() -> tuple[Any, Any]:
    """A future of ours that is not done, and one that ends it."""
    import concurrent.futures

    task: Any = concurrent.futures.Future()
    return DataFuture(task, File("x.txt"), 1), task


def on_the_scheduler(client: Client, key: str) -> Any:
    def look(dask_scheduler: Any) -> Any:
        task = dask_scheduler.tasks.get(key)
        return None if task is None else (task.state, task.resource_restrictions)

    return client.run_on_scheduler(look)


def test_the_task_takes_no_slot_while_it_waits(client: Client) -> None:
    future, task = held()
    stands = dask_future_of(future)
    eventually(lambda: (on_the_scheduler(client, stands.key) or [""])[0] == "no-worker", "it waits for no worker")
    assert client.submit(abs, -1).result(WAIT) == 1
    task.set_result(0)
    assert stands.result(WAIT).filepath == "x.txt"
    assert on_the_scheduler(client, stands.key) == ("memory", None)


def test_what_depends_on_it_runs_when_it_is_there(client: Client) -> None:
    future, task = held()
    made = client.submit(str, future)
    task.set_result(0)
    assert made.result(WAIT) == "x.txt"


def test_the_task_is_on_the_scheduler_after_the_outcome(client: Client) -> None:
    """The outcome may be known before Dask has the task."""
    for n in range(20):
        assert distributed.wait([value(n)], timeout=WAIT).done


def test_it_is_forgotten_with_our_future(client: Client) -> None:
    future = value([1])
    future.result(WAIT)
    key = dask_future_of(future).key
    distributed.wait([future], timeout=WAIT)
    del future
    eventually(lambda: on_the_scheduler(client, key) is None, "the scheduler has forgotten it")


def test_a_client_that_restarts_cancels_nothing(client: Client) -> None:
    future, task = held()
    stands = dask_future_of(future)
    client._handle_restart()  # what a client does when its scheduler says so
    eventually(lambda: stands.status == "cancelled", "Dask's future is cancelled")
    assert not future.cancelled()
    task.set_result(0)
    again = dask_future_of(future)
    assert again is not stands
    assert again.result(WAIT).filepath == "x.txt"


def test_without_a_client_there_is_a_type_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parsl_on_dask.lanes.dask_futures.default_client", lambda: None)
    future, _ = held()
    with pytest.raises(TypeError, match="no client"):
        dask_future_of(future)


def test_what_holds_no_future_of_ours_goes_to_dask_as_it_is() -> None:
    from parsl_on_dask.lanes.dask_futures import with_dask_futures

    for given in ([1, {"a": (2,)}], {"a": {3}}, (), frozenset({4}), "text", None):
        assert with_dask_futures(given, None) is given


def test_pickling_a_pending_one_in_an_event_loop_is_refused(client: Client) -> None:
    import pickle

    future, _ = held()

    async def dump() -> None:
        pickle.dumps(future)

    with pytest.raises(TypeError, match="give it to Dask as an argument"):
        asyncio.run(dump())


def test_each_future_has_a_name_of_its_own(client: Client) -> None:
    futures: list[DaskProtocol[Any]] = [value(1), value(1), held()[0], held()[0]]
    assert len({f.__dask_tokenize__() for f in futures}) == 4
    assert all(f.__dask_keys__() == [f.__dask_tokenize__()] == list(f.__dask_graph__()) for f in futures)
