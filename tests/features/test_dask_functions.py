"""Dask's own functions, given futures of apps: pending, done, failed and cancelled, in and out of the event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import operator
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import distributed
import pytest
from distributed import Client

from parsl_on_dask import bash_app, python_app
from parsl_on_dask.data_provider.files import File
from tests.helpers import WAIT, eventually, hold

WARM = True
pytestmark = pytest.mark.usefixtures("kernel")


@python_app
def value(x: Any) -> Any:
    return x


@python_app
def fail() -> None:
    raise ValueError("not for Dask either")


held = python_app(hold)


@pytest.fixture(scope="module")
def client(config_name: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    """Dask's default client: of the cluster that the apps run on, or of another one that is the user's."""
    if config_name == "existing":
        made = Client(request.getfixturevalue("existing_cluster"))
    else:
        made = Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0")
    with made:
        yield made


class Pending:
    """Futures whose calls end when the test says so."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.gate = directory / "gate"
        self.number = 0

    def __call__(self, x: Any = 1) -> Any:
        self.number += 1
        return held(str(self.directory / f"begun{self.number}"), str(self.gate), x)

    def end(self) -> None:
        self.gate.touch()

    def end_when(self, asked: Callable[[], Any]) -> Any:
        """What a function returns that is called while the futures are pending."""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            found = pool.submit(asked)
            time.sleep(0.05)
            assert not found.done()
            self.end()
            return found.result(WAIT)


@pytest.fixture
def pending(tmp_path: Path) -> Iterator[Pending]:
    made = Pending(tmp_path)
    yield made
    made.end()


def in_loop(client: Client, ask: Callable[[], Any]) -> Any:
    """What a coroutine function returns that runs on the client's event loop."""
    return client.sync(ask, callback_timeout=WAIT)


def test_asking_whether_it_is_a_collection_waits_for_nothing(client: Client, pending: Pending) -> None:
    future, failed = pending(), fail()
    known = len(client.futures)
    assert dask.is_dask_collection(future)
    assert dask.is_dask_collection(failed)
    assert len(client.futures) == known, "asking makes nothing"
    assert not future.done()


def test_wait_for_a_pending_one(client: Client, pending: Pending) -> None:
    future = pending()
    with pytest.raises(TimeoutError):
        distributed.wait([future], timeout=0.05)
    done, rest = pending.end_when(lambda: distributed.wait([future], timeout=WAIT))
    assert [f.status for f in done] == ["finished"] and not rest
    assert future.result(WAIT) == 1


def test_wait_for_those_that_have_ended(client: Client) -> None:
    good, bad = value(3), fail()
    assert good.result(WAIT) == 3 and bad.exception(WAIT)
    done, rest = distributed.wait([good, {"bad": bad}], timeout=WAIT)
    assert sorted(f.status for f in done) == ["error", "finished"] and not rest


def test_wait_for_the_first(client: Client, pending: Pending) -> None:
    done, rest = distributed.wait([pending(), value(2)], timeout=WAIT, return_when="FIRST_COMPLETED")
    assert [f.result() for f in done] == [2]
    assert [f.status for f in rest] == ["pending"]


def test_wait_in_the_event_loop_leaves_it_running(client: Client, pending: Pending) -> None:
    future = pending()

    async def ask() -> Any:
        waiting = asyncio.ensure_future(distributed.client._wait([future]))
        await asyncio.sleep(0.05)  # the loop goes on
        assert not waiting.done()
        pending.end()
        return await waiting

    done, rest = in_loop(client, ask)
    assert [f.status for f in done] == ["finished"] and not rest


def test_gather(client: Client, pending: Pending) -> None:
    mixed = [pending(5), value("x"), client.submit(abs, -3), 7, {"k": (value(1),)}]
    assert pending.end_when(lambda: client.gather(mixed)) == [5, "x", 3, 7, {"k": (1,)}]
    assert client.gather(value(8)) == 8
    with pytest.raises(ValueError, match="not for Dask either"):
        client.gather([value(1), fail()])
    assert client.gather([fail(), value(2)], errors="skip") == [2]


def test_gather_in_the_event_loop(client: Client, pending: Pending) -> None:
    future = pending(5)

    async def ask() -> Any:
        asyncio.get_running_loop().call_later(0.02, pending.end)
        return await client.gather([future, value(b"x" * 1_000_000)], asynchronous=True)

    five, large = in_loop(client, ask)
    assert five == 5 and len(large) == 1_000_000


def test_as_completed(client: Client, pending: Pending) -> None:
    asked = distributed.as_completed([pending(1), value(2), client.submit(abs, -2)])
    assert [next(asked).result(), next(asked).result()] == [2, 2]
    pending.end()
    assert next(asked).result() == 1
    with pytest.raises(StopIteration):
        next(asked)
    both = dict(distributed.as_completed([value(3), fail()], with_results=True, raise_errors=False))
    assert 3 in both.values()


def test_submit_and_map_depend_on_it_and_do_not_wait(client: Client, pending: Pending) -> None:
    future = pending(4)
    made = [
        client.submit(operator.add, future, 1),
        client.submit(sum, [future, value(2)]),
        client.submit(dict, k=future),
        *client.map(operator.add, [future, 5], [value(10), 1]),
    ]
    assert not future.done()
    assert all(f.status == "pending" for f in made[:4])
    pending.end()
    assert client.gather(made) == [5, 6, {"k": 4}, 14, 6]


def test_what_is_submitted_with_a_failed_one_fails(client: Client) -> None:
    bad = fail()
    assert bad.exception(WAIT)
    for made in (client.submit(operator.neg, bad), client.submit(operator.neg, fail()), client.map(abs, [fail()])[0]):
        assert isinstance(made.exception(WAIT), ValueError)


def test_a_large_result_goes_from_worker_to_worker(client: Client, config_name: str) -> None:
    large = value(b"x" * 1_000_000)
    assert client.submit(len, large).result(WAIT) == 1_000_000
    if config_name == "existing":
        assert large._fetched is None


def test_compute_and_persist(client: Client, pending: Pending) -> None:
    future = pending(4)
    computed, kept = client.compute(future), client.persist(future)
    both = client.compute([value(1), future])
    assert computed.status == "pending" and not future.done()
    pending.end()
    assert computed.result(WAIT) == 4 and kept.compute() == 4
    assert [f.result(WAIT) if hasattr(f, "result") else f for f in both] == [1, 4]
    assert client.compute(fail()).exception(WAIT)


@pytest.mark.parametrize("scheduler", [None, "threads", "sync"])
def test_dask_compute_and_delayed(client: Client, pending: Pending, scheduler: Any) -> None:
    where = {"scheduler": scheduler} if scheduler else {}
    future = pending(4)
    made = dask.delayed(sum)([future, value(2), 1])
    assert not future.done(), "nothing waits before it is computed"
    assert pending.end_when(lambda: made.compute(**where)) == 7
    assert dask.compute(future, {"k": value(2)}, **where) == (4, {"k": 2})
    assert dask.delayed(operator.add)(future, future).compute(**where) == 8
    with pytest.raises(ValueError, match="not for Dask either"):
        dask.delayed(operator.neg)(fail()).compute(**where)


def test_cancel_cancels_the_task(client: Client, pending: Pending) -> None:
    blocked: Any = concurrent.futures.Future()
    waits, runs = value(blocked), pending()
    eventually((pending.directory / "begun1").exists, "the other one runs")
    client.cancel([waits, runs])
    eventually(waits.cancelled, "the task that waited is cancelled")
    with pytest.raises(concurrent.futures.CancelledError):
        client.gather([waits])
    pending.end()
    assert runs.result(WAIT) == 1, "a call that runs goes on"


def test_cancel_in_the_event_loop_does_not_wait(client: Client) -> None:
    blocked: Any = concurrent.futures.Future()
    waits = value(blocked)

    async def ask() -> None:
        await client.cancel([waits], asynchronous=True)

    in_loop(client, ask)
    eventually(waits.cancelled, "it is cancelled")


def test_a_cancelled_one_failed(client: Client) -> None:
    blocked: Any = concurrent.futures.Future()
    waits = value(blocked)
    assert waits.cancel()
    done, _ = distributed.wait([waits], timeout=WAIT)
    assert [type(f.exception()) for f in done] == [concurrent.futures.CancelledError]


def test_letting_go_of_dask_futures_cancels_nothing(client: Client, pending: Pending) -> None:
    future = pending(6)
    made = client.submit(operator.neg, future)
    del made
    pending.end()
    assert future.result(WAIT) == 6


def test_the_rest_of_what_takes_futures(client: Client, pending: Pending, capsys: pytest.CaptureFixture[str]) -> None:
    future = pending(2)
    distributed.fire_and_forget(future)
    assert not any(client.who_has([future]).values())
    pending.end()
    distributed.progress([future, fail()], notebook=False)
    assert client.replicate([future], n=1) is None
    assert all(client.who_has([future]).values())
    assert "Completed" in capsys.readouterr().out


def test_inside_of_an_object_it_is_refused(client: Client, pending: Pending) -> None:
    class Box:
        def __init__(self, content: Any) -> None:
            self.content = content

        def __call__(self) -> Any:
            return self.content

    with pytest.raises(TypeError) as caught:
        client.submit(Box(pending()))
    causes, error = "", caught.value
    while error is not None:
        causes, error = causes + str(error), error.__cause__ or error.__context__  # type: ignore[assignment]
    assert "in a list, tuple, set or dict" in causes


def test_the_future_of_a_file(client: Client, tmp_path: Path) -> None:
    @bash_app
    def write(outputs: Any = ()) -> str:
        return f"sleep 0.1; echo text > {outputs[0]}"

    (made,) = write(outputs=[File(str(tmp_path / "made.txt"))]).outputs
    assert dask.is_dask_collection(made)
    path = client.submit(str, made)
    assert [f.status for f in distributed.wait([made], timeout=WAIT).done] == ["finished"]
    assert client.gather(made).filepath == made.filepath
    assert path.result(WAIT) == made.filepath
    assert dask.compute(made)[0].filepath == made.filepath
    client.cancel([write(outputs=[File(str(tmp_path / "not.txt"))]).outputs[0]])  # as cancel() of it: nothing happens


def test_a_retried_one_says_who_retries(client: Client) -> None:
    bad = fail()
    distributed.wait([bad], timeout=WAIT)
    client.retry([bad])
    with pytest.raises(RuntimeError, match="Config\\(retries=2\\)"):
        client.gather([bad])


def test_an_asynchronous_client(client: Client, pending: Pending) -> None:
    future = pending(4)

    async def main() -> Any:
        async with Client(client.scheduler.address, asynchronous=True, set_as_default=False) as other:
            with other.as_current():
                waiting = asyncio.ensure_future(other.gather([future, value(2)]))
                made = other.submit(operator.add, future, 1)
                await asyncio.sleep(0.05)
                assert not waiting.done()
                pending.end()
                await distributed.wait([future])
                return await waiting, await made, await other.compute(dask.delayed(operator.neg)(future))

    if client.scheduler.address.startswith("inproc"):
        pytest.skip("an in-process cluster has one event loop")
    assert asyncio.run(main()) == ([4, 2], 5, -4)


def test_many_threads_ask_for_one(client: Client, pending: Pending) -> None:
    from parsl_on_dask.lanes.dask_futures import dask_future_of

    future, barrier = pending(3), threading.Barrier(8)

    def ask() -> str:
        barrier.wait(WAIT)
        return str(dask_future_of(future).key)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert len({f.result(WAIT) for f in [pool.submit(ask) for _ in range(8)]}) == 1
    pending.end()
    assert client.gather(future) == 3
