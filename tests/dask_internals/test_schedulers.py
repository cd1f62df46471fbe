"""Private parts of Dask's scheduler: a test that fails names what has changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from distributed import Client
from distributed.protocol.serialize import serialize

from parsl_on_dask.dask_internals.schedulers import forget_topics, forget_wishes, settle
from tests.helpers import WAIT, eventually

NOWHERE = {"parsl-test-nowhere": 1}


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0") as made:
        yield made


def scheduler_of(client: Client) -> Any:
    return client.cluster.scheduler  # type: ignore[union-attr]


def test_forget_topics(client: Client) -> None:
    scheduler = scheduler_of(client)
    for topic in ("parsl-a-1", "parsl-b-1"):
        scheduler.log_event(topic, "something")
    forget_topics()(scheduler, "parsl-a-")
    assert scheduler.get_events("parsl-a-1") == ()
    assert [event for _, event in scheduler.get_events("parsl-b-1")] == ["something"]


def test_forget_wishes(client: Client) -> None:
    scheduler = scheduler_of(client)
    wanted = client.submit(abs, -1)
    wanted.result(WAIT)
    state = scheduler.clients.pop(client.id)  # as if the client had come again, and been forgotten
    try:
        assert scheduler.tasks[wanted.key].who_wants == {state}

        async def forget() -> None:
            forget_wishes()(scheduler, client.id)

        client.sync(forget, callback_timeout=WAIT)
        eventually(lambda: wanted.key not in scheduler.tasks, "nobody wants it")
    finally:
        scheduler.clients[client.id] = state


def test_settle_with_a_value(client: Client) -> None:
    future = client.submit(abs, -1, resources=NOWHERE, key="for-a-value")
    eventually(lambda: client.run_on_scheduler(settle(), future.key, "", None), "the scheduler knows the task")
    (address,) = client.scheduler_info()["workers"]

    def give(dask_worker: Any) -> None:
        dask_worker.update_data({"for-a-value": "made elsewhere"})

    client.run(give)
    assert client.run_on_scheduler(settle(), future.key, address, None)
    assert future.result(WAIT) == "made elsewhere"


def test_settle_with_a_failure(client: Client) -> None:
    future = client.submit(abs, -1, resources=NOWHERE, key="for-an-error")
    eventually(lambda: client.run_on_scheduler(settle(), future.key, "", None), "the scheduler knows the task")
    header, frames = serialize(ValueError("elsewhere"), on_error="raise")
    failure = (header, [bytes(frame) for frame in frames], "text")
    assert client.run_on_scheduler(settle(), future.key, "", failure)
    with pytest.raises(ValueError, match="elsewhere"):
        future.result(WAIT)


def test_settle_without_a_task(client: Client) -> None:
    assert not client.run_on_scheduler(settle(), "nobody knows it", "", None)
