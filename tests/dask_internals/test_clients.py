"""Private parts of Dask's client, each tried where it is used: a test that fails names what has changed."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any

import distributed
import pytest
from distributed import Client

from parsl_on_dask.dask_internals import clients as inside
from tests.helpers import WAIT, eventually


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0") as made:
        yield made


def test_start_callback_thread(client: Client) -> None:
    inside.start_callback_thread()
    pool: Any = distributed.Future._cb_executor
    assert distributed.Future._cb_executor_pid == os.getpid()
    done = threading.Event()
    client.submit(abs, -1).add_done_callback(lambda _: done.set())
    assert done.wait(WAIT)
    assert distributed.Future._cb_executor is pool, "Dask makes another one, so this one is of no use"


def test_scheduler_id(client: Client) -> None:
    with Client(client.scheduler.address, set_as_default=False) as other:
        ids = {inside.scheduler_id(client), inside.scheduler_id(other)}
    assert ids == {client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.id)}


def test_abandon(client: Client) -> None:
    left = Client(client.scheduler.address, set_as_default=False)
    assert left._loop_runner.is_started()
    inside.abandon(left)
    assert left.status == "closed"
    assert not left._loop_runner.is_started()


def test_has_stopped_listening(client: Client) -> None:
    deaf = Client(client.scheduler.address, set_as_default=False)
    try:
        assert not inside.has_stopped_listening(deaf)
        deaf.loop.add_callback(deaf._handle_report_task.cancel)
        eventually(lambda: inside.has_stopped_listening(deaf), "its task has ended")
    finally:
        deaf.close(timeout=5)


def test_run_on_scheduler(client: Client) -> None:
    def number(n: int, dask_scheduler: Any = None) -> tuple[int, int]:
        return n, len(dask_scheduler.workers)

    async def forever(dask_scheduler: Any = None) -> None:
        await asyncio.Event().wait()

    assert inside.run_on_scheduler(client, number, 3, timeout=WAIT) == (3, 1)
    with pytest.raises(asyncio.TimeoutError):
        inside.run_on_scheduler(client, forever, timeout=0.01)


def test_run_on_worker(client: Client) -> None:
    (address,) = client.scheduler_info()["workers"]
    assert client.sync(inside.run_on_worker, client, address, pow, 2, 5, callback_timeout=WAIT) == {address: 32}


def test_clients(client: Client) -> None:
    assert any(known is client for known in inside.clients())


def test_calling_client(client: Client) -> None:
    found: list[Any] = []

    class Asks:
        def __dask_tokenize__(self) -> str:
            found.append((inside.calling_client(), inside.calling_client("submit"), inside.calling_client("map")))
            return "asks"

        def __reduce__(self) -> Any:
            return (int, ())

    assert inside.calling_client() is None
    client.submit(str, Asks(), pure=True).result(WAIT)
    assert found[0] == (client, client, None)


def test_was_restarted(client: Client) -> None:
    other = Client(client.scheduler.address, set_as_default=False)
    try:
        cancelled, restarted = (other.submit(abs, -n, resources={"none": 1}) for n in (1, 2))
        cancelled.cancel()
        eventually(lambda: cancelled.status == "cancelled", "one is cancelled")
        assert not inside.was_restarted(cancelled)
        other._handle_restart()  # what a client does when its scheduler says so
        eventually(lambda: restarted.status == "cancelled", "the other one, too")
        assert inside.was_restarted(restarted)
    finally:
        other.close(timeout=5)


def test_fail(client: Client) -> None:
    future = client.submit(abs, -3, resources={"none": 1})

    async def fail() -> None:
        inside.fail(future, ValueError("no scheduler to tell"))

    client.sync(fail, callback_timeout=WAIT)
    with pytest.raises(ValueError, match="no scheduler to tell"):
        future.result(WAIT)


def test_future_of(client: Client) -> None:
    made = client.submit(abs, -3, pure=False)
    other = Client(client.scheduler.address, set_as_default=False)
    try:
        made.result(WAIT)
        theirs = inside.future_of(other, made.key)
        assert theirs.result(WAIT) == 3
        key = made.key
        del made
        eventually(lambda: key not in client.futures, "the first client does not want it any more")
        assert other.run_on_scheduler(lambda dask_scheduler: key in dask_scheduler.tasks)
    finally:
        other.close(timeout=5)
