"""Which futures in arguments are waited for, and what the app finds in their places."""

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict, namedtuple
from concurrent.futures import Future
from typing import Any

import pytest

from parsl_on_dask.dataflow.dependency_resolvers import (
    DEEP_DEPENDENCY_RESOLVER,
    DEFAULT_DEPENDENCY_RESOLVER,
    SHALLOW_DEPENDENCY_RESOLVER,
    DependencyResolver,
    peeked,
)
from parsl_on_dask.remote.standin import FinishedFuture

ALL = {
    "shallow": SHALLOW_DEPENDENCY_RESOLVER,
    "deep": DEEP_DEPENDENCY_RESOLVER,
    "default": DEFAULT_DEPENDENCY_RESOLVER,
}
Pair = namedtuple("Pair", "left right")


def done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def gather(name: str, value: Any) -> list[Future[Any]]:
    return list(ALL[name].traverse_to_gather(value))


def unwrap(name: str, value: Any) -> Any:
    return ALL[name].traverse_to_unwrap(value)


@pytest.fixture(params=["deep", "default"])
def nested(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", ALL)
def test_a_future_given_directly_becomes_its_value(name: str) -> None:
    f = done(7)
    assert gather(name, f) == [f]
    assert unwrap(name, f) == 7
    assert gather(name, 7) == gather(name, "text") == []
    assert unwrap(name, "text") == "text"


def test_shallow_leaves_containers_alone() -> None:
    value = [done(7)]
    assert gather("shallow", value) == []
    assert unwrap("shallow", value) is value


def test_futures_are_found_in_order(nested: str) -> None:
    a, b, c, d, e, f = (done(i) for i in range(6))
    assert gather(nested, [a, (b, {c: [d]}), frozenset([e]), f]) == [a, b, c, d, e, f]


def test_deep_gives_plain_values() -> None:
    value = [done(1), (done(2), {done("k"): {done(3)}}), frozenset([done(4)])]
    assert unwrap("deep", value) == [1, (2, {"k": {3}}), frozenset([4])]


def test_deep_sees_into_subclasses_and_keeps_them() -> None:
    grouped = defaultdict(list, {"a": [done(1)]})
    ordered = OrderedDict([("z", done(1)), ("a", 2)])
    new = unwrap("deep", [grouped, ordered, Pair(done(1), 2)])
    assert new == [{"a": [1]}, OrderedDict([("z", 1), ("a", 2)]), Pair(1, 2)]
    assert [type(x) for x in new] == [defaultdict, OrderedDict, Pair]
    assert new[0]["missing"] == []
    assert isinstance(grouped["a"][0], Future)


def test_default_puts_finished_stand_ins_into_containers() -> None:
    futures = [done([1, 2]), done([3])]
    new = unwrap("default", futures)
    assert all(type(x) is FinishedFuture for x in new)
    assert [f.result() for f in new] == [[1, 2], [3]]
    assert [x for sub in new for x in sub] == [1, 2, 3]


def test_default_at_any_depth_and_in_every_container() -> None:
    f = done(5)
    new = unwrap("default", {"a": ({"b": [f]}, {f}, frozenset([f])), f: 0})
    assert new["a"][0]["b"][0].result() == 5
    assert new["a"][1] == {5} and new["a"][2] == frozenset([5])
    assert new[5] == 0


def test_default_looks_into_exact_containers_only() -> None:
    value = Pair(done(1), 2)
    assert gather("default", value) == []
    assert unwrap("default", value) is value


def test_the_callers_containers_stay_untouched(nested: str) -> None:
    f = done(1)
    inner = [f]
    value = {"a": inner}
    new = unwrap(nested, value)
    assert new is not value and new["a"] is not inner
    assert inner == [f] and value == {"a": inner}


def test_containers_without_futures_are_passed_on_as_they_are(nested: str) -> None:
    plain: list[Any] = [1, {"a": (2,)}]
    assert unwrap(nested, plain) is plain
    mixed = [plain, done(1)]
    assert unwrap(nested, mixed)[0] is plain


def test_a_container_met_twice_stays_one_object(nested: str) -> None:
    shared = [done(1)]
    new = unwrap(nested, [shared, shared])
    assert new[0] is new[1]


def test_containers_that_hold_themselves(nested: str) -> None:
    plain: list[Any] = [1]
    plain.append(plain)
    assert gather(nested, plain) == []
    assert unwrap(nested, plain) is plain
    f = done(3)
    knot: list[Any] = [f]
    knot.append((knot, {"k": knot}))
    assert gather(nested, knot) == [f]
    new = unwrap(nested, knot)
    assert new is not knot and new[1][0] is new and new[1][1]["k"] is new
    assert new[0] == 3


def test_nesting_deeper_than_the_recursion_limit(nested: str) -> None:
    f = done(1)
    value: Any = f
    for _ in range(5000):
        value = [(value,)]
    assert gather(nested, value) == [f]
    new = unwrap(nested, value)
    for _ in range(10000):
        new = new[0]
    assert new == 1


def test_a_stand_in_is_not_waited_for_again(nested: str) -> None:
    stand_in = FinishedFuture([1])  # as a task that calls another app may pass on
    assert gather(nested, [stand_in]) == gather(nested, stand_in) == []
    assert unwrap(nested, stand_in) == [1]
    assert unwrap(nested, [stand_in]) == [[1]]
    assert type(unwrap("deep", [stand_in])[0]) is list


def test_long_lists_of_plain_values_are_fast(nested: str) -> None:
    """Nothing of ours is called for each of them."""
    numbers = list(range(10_000))
    called = 0

    def count(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal called
        called += event == "call"

    sys.setprofile(count)
    try:
        gather(nested, numbers)
        unwrap(nested, numbers)
    finally:
        sys.setprofile(None)
    assert called < 1000


class Peeking(Future):  # type: ignore[type-arg]
    """Like an AppFuture whose value stays on a worker."""

    def peek(self) -> Any:
        return "on a worker"

    def result(self, timeout: float | None = None) -> Any:
        return "here"


def test_a_value_that_stays_on_a_worker_is_not_fetched() -> None:
    f = Peeking()
    f.set_result(None)
    assert peeked(f) == unwrap("shallow", f) == unwrap("default", f) == "on a worker"
    assert unwrap("default", [f])[0].result() == "on a worker"
    assert unwrap("deep", [f]) == ["on a worker"]


def test_unless_it_has_to_be_hashed_here(nested: str) -> None:
    f = Peeking()
    f.set_result(None)
    assert unwrap(nested, {f}) == {"here"}
    assert unwrap(nested, {f: 1}) == {"here": 1}
    assert unwrap(nested, {(f,): 1}) == {("here",): 1}
    assert unwrap(nested, {"k": f})["k"] == "on a worker"


def test_a_resolver_of_ones_own() -> None:
    own = DependencyResolver(traverse_to_gather=lambda o: [], traverse_to_unwrap=lambda o: o)
    assert own.traverse_to_gather([1]) == []
    assert own == DependencyResolver(own.traverse_to_gather, own.traverse_to_unwrap)
