"""Each step of a Dask future that stands for one of ours, without Dask: what it is told, and what comes back."""

from __future__ import annotations

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.lanes import dask_futures as module
from parsl_on_dask.lanes.dask_futures import FutureGraph, FutureNode, dask_future_of, is_here, with_dask_futures
from parsl_on_dask.lanes.dask_protocol import DaskProtocol
from parsl_on_dask.lanes.values import RemoteValue


class Ours(DaskProtocol[Any]):
    """A future of ours, without a kernel."""

    _fetched: tuple[Any] | None = None

    def _dask_name(self) -> str:
        return "ours"


class Theirs:
    """A future of Dask's."""

    def __init__(self, key: str, status: str = "pending") -> None:
        self.key, self.status = key, status
        self.callbacks: list[Any] = []
        self._state = SimpleNamespace(exception=None, set_error=self.fail)

    def add_done_callback(self, function: Any) -> None:
        self.callbacks.append(function)

    def fail(self, error: BaseException, _: Any) -> None:
        self.status, self.error = "error", error

    def left(self, status: str, reason: str = "") -> None:
        self.status = status
        self._state.exception = SimpleNamespace(reason=reason) if reason else None
        for callback in self.callbacks:
            callback(self)


class Client:
    """What is asked of a client of Dask's, and what it answers."""

    def __init__(self, number: int = 0) -> None:
        self.id, self.status = f"client {number}", "running"
        self.scheduler = SimpleNamespace(address="here")
        self.loop = SimpleNamespace(add_callback=self.settle)
        self.steps: deque[Any] = deque()
        self.made: list[Theirs] = []
        self.asked: list[Any] = []
        self.places: deque[list[str]] = deque()
        self.answers: deque[Any] = deque()

    def submit(self, function: Any, **how: Any) -> Theirs:
        assert how["resources"] == module.NOWHERE and not how["pure"]
        self.made.append(Theirs(how["key"]))
        return self.made[-1]

    def settle(self, step: Any) -> None:
        self.steps.append(step)

    def go(self) -> None:
        asyncio.run(self.steps.popleft()())

    async def who_has(self, futures: list[Theirs]) -> Any:
        self.asked.append("who has")
        return {futures[0].key: self.places.popleft() if len(self.places) > 1 else self.places[0]}

    async def run(self, _: Any, source: str, item: Any, key: str, workers: list[str]) -> None:
        self.asked.append(("copy", source, item, workers))

    async def scatter(self, values: dict[str, Any], hash: bool) -> Any:
        assert hash is False, "an equal value of the user's is another one"
        [(key, value)] = values.items()
        self.asked.append(("scatter", value))
        return {key: Theirs(key, "finished")}

    async def run_on_scheduler(self, _: Any, key: str, address: str, failure: Any) -> bool:
        self.asked.append(("tell", address, failure and failure[2]))
        answer = self.answers.popleft() if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)


@pytest.fixture
def client() -> Client:
    return Client()


def standing(client: Any) -> tuple[Ours, Theirs]:
    future = Ours()
    stands: Any = dask_future_of(future, client)
    return future, stands


def test_a_value_is_put_where_dask_finds_it(client: Client) -> None:
    future, stands = standing(client)
    client.answers.extend([False, False, True])  # the task is not on the scheduler yet
    client.places.extend([[], [], ["w1", "w2"]])
    assert not client.steps
    future.set_result([1])
    client.go()
    told = [("tell", "", None)] * 3
    value = ("copy", f"{stands.key}-value", None, ["w1"])
    assert client.asked == [*told, ("scatter", [1]), *["who has"] * 3, value, ("tell", "w1", None)]


def test_an_error_is_told_as_the_tasks(client: Client) -> None:
    future, _ = standing(client)
    future.set_exception(ValueError("mine"))
    client.go()
    assert client.asked == [("tell", "", "ValueError('mine')")]
    future, _ = standing(client)
    future.cancel()
    client.go()
    assert client.asked[1] == ("tell", "", "CancelledError()")


def test_one_that_nobody_wants_any_more_is_told_nothing(client: Client) -> None:
    for status, of_client in (("cancelled", "running"), ("pending", "closed")):
        future, stands = standing(client)
        stands.status, client.status = status, of_client
        future.set_result(1)
        client.go()
        assert not client.asked
    client.status = "connecting"
    future, _ = standing(client)
    client.places.append(["w"])
    future.set_result(1)
    client.go()
    assert client.asked


@pytest.mark.parametrize(("item", "status"), [(7, "finished"), (None, "pending"), (7, "lost"), (7, "error")])
def test_a_value_of_a_shift_is_copied_from_there_or_was_lost(client: Any, item: Any, status: str) -> None:
    future, _ = standing(client)
    other = Client(1)
    source = Theirs("shift", status)
    client.places.extend([[], ["w"]] if status in ("finished", "pending") else [[]])
    future.set_result(RemoteValue("x", other, source, item, 9))  # type: ignore[arg-type]
    client.go()
    if status in ("finished", "pending"):
        assert ("copy", "shift", item, ["w"]) in client.asked and client.asked[-1] == ("tell", "w", None)
    else:
        kind, address, error = client.asked[-1]
        assert (kind, address) == ("tell", "") and "the worker that had the value is gone; call" in error


def test_a_value_on_another_cluster_is_fetched_first(client: Any) -> None:
    future, _ = standing(client)
    elsewhere = Client(1)
    elsewhere.scheduler.address = "elsewhere"
    source = SimpleNamespace(result=lambda: {7: "value"})
    future.set_result(value := RemoteValue("x", elsewhere, source, 7, 9))  # type: ignore[arg-type]
    assert not is_here(future)
    future.result = lambda: setattr(future, "_fetched", (value.fetch(),))  # type: ignore[method-assign]
    client.places.append(["w"])
    client.go()
    assert ("scatter", "value") in client.asked and is_here(future)


def test_a_scheduler_that_cannot_be_told_is_the_futures_error(client: Client) -> None:
    future, stands = standing(client)
    client.answers.append(OSError("closed"))
    client.answers.append(OSError("closed"))
    future.set_result(1)
    client.go()
    assert stands.status == "error" and isinstance(stands.error, OSError)
    future, stands = standing(client)
    client.answers.extend([OSError("closed")] * 2)
    stands.fail = stands._state.set_error = None  # type: ignore[method-assign,assignment]
    future.set_result(1)
    stands.status = "cancelled"
    client.go()


def test_a_loop_that_was_closed_is_told_nothing(client: Client) -> None:
    future, _ = standing(client)

    def closed(step: Any) -> None:
        raise RuntimeError("closed")

    client.loop.add_callback = closed
    future.set_result(1)


def test_ours_is_cancelled_when_somebody_cancels_dasks(client: Client) -> None:
    future, stands = standing(client)
    stands.left("cancelled")
    assert future.cancelled()
    for status, of_client, reason in (
        ("lost", "running", ""),
        ("cancelled", "closing", ""),
        ("cancelled", "running", "scheduler-restart"),
    ):
        client.status = "running"
        future, stands = standing(client)
        client.status = of_client
        stands.left(status, reason)
        assert not future.cancelled()
    client.status = "running"
    future, stands = standing(client)
    future.set_result(1)
    future.cancel = None  # type: ignore[method-assign,assignment]
    stands.left("cancelled")


def test_that_of_a_file_cannot_be_cancelled(client: Client) -> None:
    class OfFile(Ours):
        def cancel(self) -> bool:
            raise NotImplementedError

    future = OfFile()
    stands: Any = dask_future_of(future, client)  # type: ignore[arg-type]
    stands.left("cancelled")
    assert not future.cancelled()


def test_each_client_has_one_and_another_when_that_has_ended(client: Any) -> None:
    future, stands = standing(client)
    assert dask_future_of(future, client) is stands and len(client.made) == 1
    stands.status = "finished"
    assert dask_future_of(future, client) is stands
    other: Any = Client(1)
    assert dask_future_of(future, other) is other.made[0]
    for status in ("cancelled", "lost"):
        stands.status = status
        again: Any = dask_future_of(future, client)
        assert again is not stands and dask_future_of(future, client) is again
        stands = again
    assert stands.key.startswith("file-future-")
    named = Ours()
    named.task_record = SimpleNamespace(func_name="mesh")  # type: ignore[attr-defined]
    assert dask_future_of(named, client).key.startswith("mesh-future-")


def test_a_value_that_is_a_task_of_this_client_stands_for_itself(client: Any) -> None:
    for item, owner, itself in ((None, client, True), (7, client, False), (None, Client(1), False)):
        future, source = Ours(), Theirs("task")
        future.set_result(RemoteValue("x", owner, source, item, 9))  # type: ignore[arg-type]
        assert (dask_future_of(future, client) is source) is itself
    assert len(client.made) == 2


def test_futures_are_found_in_containers(client: Any) -> None:
    future, stands = standing(client)
    for given, found in (
        ([1, future], [1, stands]),
        ((future,), (stands,)),
        ({future}, {stands}),
        ({"a": 1, "b": [future]}, {"a": 1, "b": [stands]}),
        (future, stands),
    ):
        assert with_dask_futures(given, client) == found
    same = {"a": [1], "b": (2,)}
    assert with_dask_futures(same, client) is same


def test_small_plain_values_are_parts_of_a_graph() -> None:
    for value, embedded in (
        (1, True),
        ("x" * module.EMBEDDED, True),
        ("x" * (module.EMBEDDED + 1), False),
        ([1], False),
        (None, True),
    ):
        future = Ours()
        assert not is_here(future) and not module._embeds(future)
        future.set_result(value)
        assert is_here(future) and module._embeds(future) is embedded
        assert module.reduced(future) is None and not module.stands_in(future)
    for ending in (lambda f: f.cancel(), lambda f: f.set_exception(ValueError())):
        future = Ours()
        ending(future)
        assert not is_here(future)


def test_the_graph_of_a_future_is_one_task() -> None:
    future = Ours()
    future.set_result(5)
    graph = FutureGraph(future)
    assert list(graph) == ["ours"] and len(graph) == 1
    with pytest.raises(KeyError):
        graph["another"]
    node = graph["ours"]
    assert node() == 5 and node.copy()() == 5 and node.key == "ours" and node.block_fusion
    assert node.substitute({}, key="b").key == "b"
    assert node.substitute({"other": 1}) is node and node.substitute({"ours": 1}) is not node
    assert node.__dask_tokenize__() == FutureNode("ours", future).__dask_tokenize__()
    assert [type(value) for value in graph.values()] == [FutureNode], "there is no client"
