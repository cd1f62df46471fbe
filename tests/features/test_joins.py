"""Join apps: apps that return futures of other apps."""

from __future__ import annotations

import concurrent.futures
import os
import pickle
import threading
from typing import Any

import pytest

from parsl_on_dask import join_app, python_app
from parsl_on_dask.dataflow.errors import DependencyError, JoinError
from tests.helpers import WAIT, eventually

WARM = True

pytestmark = pytest.mark.usefixtures("kernel")


@python_app
def value(x: Any) -> Any:
    return x


@python_app
def add(a: int, b: int) -> int:
    return a + b


@python_app
def fail(text: str) -> None:
    raise ValueError(text)


@join_app
def fibonacci(n: int) -> Any:
    return value(n) if n < 2 else add(fibonacci(n - 1), fibonacci(n - 2))


@join_app
def join(make: Any) -> Any:
    return make()


def test_one_future() -> None:
    assert join(lambda: value(5)).result(WAIT) == 5


def test_a_list_of_futures_gives_a_list_of_results() -> None:
    assert join(lambda: [value(i) for i in range(20)]).result(WAIT) == list(range(20))


def test_an_empty_list() -> None:
    assert join(lambda: []).result(WAIT) == []


def test_a_foreign_future() -> None:
    foreign: concurrent.futures.Future[str] = concurrent.futures.Future()
    future = join(lambda: foreign)
    eventually(lambda: future.task_status() == "joining", "its body has returned")
    assert not future.done()
    foreign.set_result("joined")
    assert future.result(WAIT) == "joined"


def test_the_body_runs_in_the_submitting_process() -> None:
    pids: list[int] = []

    @join_app
    def body() -> Any:
        pids.append(os.getpid())
        return value(1)

    body().result(WAIT)
    assert pids == [os.getpid()]


def test_arguments_are_resolved_before_the_body_runs() -> None:
    @join_app
    def repeat(n: int, word: str = "") -> Any:
        return [value(word) for _ in range(n)]

    assert repeat(value(3), word=value("again")).result(WAIT) == ["again"] * 3


def test_a_joined_result_is_a_dependency_like_any() -> None:
    assert add(join(lambda: value(1)), join(lambda: value(2))).result(WAIT) == 3


def test_recursion() -> None:
    assert fibonacci(9).result(WAIT) == 34


def test_deep_recursion() -> None:
    @join_app
    def count_down(n: int) -> Any:
        return value("bottom") if n == 0 else count_down(n - 1)

    assert count_down(150).result(WAIT) == "bottom"


@pytest.mark.parametrize(
    "make, kind, hint",
    [
        (lambda: (value(1), value(2)), "tuple", "return list(...) of it"),
        (lambda: 5, "int", "make 'join' a python_app"),
        (lambda: None, "NoneType", "make 'join' a python_app"),
        (lambda: [value(1), 5], "list", "class 'list'>"),
    ],
    ids=["tuple", "int", "None", "list with a plain value"],
)
def test_anything_else_is_refused(make: Any, kind: str, hint: str) -> None:
    with pytest.raises(TypeError) as caught:
        join(make).result(WAIT)
    assert "join_app body must return a Future or list of Futures, got " in str(caught.value)
    assert kind in str(caught.value) and str(caught.value).endswith(hint)


def test_a_body_that_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        join(lambda: 1 // 0).result(WAIT)


def test_a_joined_future_that_fails() -> None:
    inner: list[Any] = []

    def make() -> Any:
        inner.append(fail("inside"))
        return inner[0]

    future = join(make)
    with pytest.raises(JoinError) as caught:
        future.result(WAIT)
    error = caught.value
    assert isinstance(error.__cause__, ValueError)
    assert error.task_id == future.tid and future.task_record["fail_count"] == 1
    [(cause, description)] = error.dependent_exceptions_tids
    assert isinstance(cause, ValueError) and description == f"task {inner[0].tid}"
    assert f"task {inner[0].tid}" in str(error) and f"task {future.tid}" in str(error)


def test_a_joined_list_with_failures_keeps_their_order() -> None:
    inner: list[Any] = []

    def make() -> Any:
        inner.extend([value(0), fail("first"), value(1), fail("second"), fail("third")])
        return inner

    with pytest.raises(JoinError) as caught:
        join(make).result(WAIT)
    pairs = caught.value.dependent_exceptions_tids
    assert [str(e) for e, _ in pairs] == ["first", "second", "third"]
    assert [d for _, d in pairs] == [f"task {inner[i].tid}" for i in (1, 3, 4)]
    assert str(caught.value.__cause__) == "first"


def test_a_join_waits_for_all_of_a_list_before_it_fails() -> None:
    slow: concurrent.futures.Future[int] = concurrent.futures.Future()
    future = join(lambda: [fail("early"), slow])
    with pytest.raises(concurrent.futures.TimeoutError):
        future.result(0.5)
    slow.set_result(1)
    assert isinstance(future.exception(WAIT), JoinError)


def test_a_join_of_a_dependency_failure() -> None:
    error = join(lambda: add(fail("root"), 1)).exception(WAIT)
    assert isinstance(error, JoinError)
    assert isinstance(error.dependent_exceptions_tids[0][0], DependencyError)
    assert isinstance(error.__cause__, ValueError)


def test_the_record_of_a_join_app() -> None:
    future = join(lambda: value(1))
    future.result(WAIT)
    record = future.task_record
    assert record["join"] is True
    assert record["executor"] == "_parsl_internal"
    assert future.task_status() == "exec_done"


def circle(count: int, around: Any = lambda future: future, body: Any = lambda future: future) -> list[Any]:
    """Joins each of which returns the next one, the last one the first; ``around`` makes what the others see of it."""
    gate = threading.Event()
    made: list[Any] = []

    def nth(n: int) -> Any:
        def make() -> Any:
            assert gate.wait(WAIT)
            return body(made[(n + 1) % count])

        return make

    for n in range(count):
        made.append(around(join(nth(n))))
    gate.set()
    return made


@pytest.mark.parametrize("count", [1, 2, 5])
def test_joins_that_wait_for_each_other_fail(count: int) -> None:
    futures = circle(count)
    errors = [future.exception(WAIT) for future in futures]
    assert all(isinstance(error, JoinError) for error in errors)
    told = [error for error in errors if error.circle]
    assert told
    for future, error in zip(futures, errors, strict=True):
        assert f"task {future.tid}" in str(told[0])
        assert future.task_record["fail_history"] == [repr(error)]
    assert all("waits for itself: it joins task " in str(error) for error in errors), "the others say it, too"
    assert "waits for itself" in str(pickle.loads(pickle.dumps(told[0])))


def test_a_circle_by_way_of_tasks_that_are_no_joins() -> None:
    futures = circle(2, around=lambda future: add(future, value(1)))
    errors = [future.exception(WAIT) for future in futures]
    assert all(isinstance(error, DependencyError) for error in errors)
    assert "waits for itself: it joins task" in str(errors[0]) and "which depends on task" in str(errors[0])


def test_a_circle_in_a_list_of_futures() -> None:
    futures = circle(2, body=lambda future: [value(1), future, value(2)])
    errors = [future.exception(WAIT) for future in futures]
    assert all(isinstance(error, JoinError) for error in errors)


def test_a_join_that_returns_its_equal_call() -> None:
    @join_app(cache=True)
    def same(n: int) -> Any:
        return same(n)

    error = same(1).exception(WAIT)
    assert isinstance(error, JoinError)
    assert "waits for the result of its equal, task" in str(error)


def test_many_joins_on_one_future_are_no_circle() -> None:
    slow: concurrent.futures.Future[int] = concurrent.futures.Future()
    first = join(lambda: slow)
    outer = [join(lambda: first) for _ in range(5)]
    last = [add(future, 1) for future in outer]
    slow.set_result(4)
    assert [future.result(WAIT) for future in last] == [5] * 5
