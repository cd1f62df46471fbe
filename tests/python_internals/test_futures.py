"""Private attributes of Python's futures, on a plain future: a test that fails names what has changed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from parsl_on_dask.python_internals import futures as inside
from parsl_on_dask.python_internals.light_future import LightFuture


@pytest.fixture(params=[Future, LightFuture])
def future(request: pytest.FixtureRequest) -> Future[Any]:
    made: Future[Any] = request.param()
    return made


def test_value_of(future: Future[Any]) -> None:
    assert inside.value_of(future) is None
    future.set_result(3)
    assert inside.value_of(future) == 3


def test_value_of_a_failed_one(future: Future[Any]) -> None:
    future.set_exception(ValueError())
    assert inside.value_of(future) is None


def test_error_of(future: Future[Any]) -> None:
    assert inside.error_of(future) is None
    error = ValueError()
    future.set_exception(error)
    assert inside.error_of(future) is error


def test_error_of_a_cancelled_one(future: Future[Any]) -> None:
    future.cancel()
    assert inside.error_of(future) is None
    with pytest.raises(CancelledError):
        future.result(0)


def test_callbacks_of(future: Future[Any]) -> None:
    assert not inside.callbacks_of(future)
    future.add_done_callback(str)
    future.add_done_callback(repr)
    assert list(inside.callbacks_of(future)) == [str, repr]


def test_forget_callbacks(future: Future[Any]) -> None:
    future.add_done_callback(str)
    future.set_result(1)
    inside.forget_callbacks(future)
    assert not inside.callbacks_of(future)


def test_remove_callbacks(future: Future[Any]) -> None:
    called: list[str] = []
    keep: Callable[[Any], None] = lambda _: called.append("keep")  # noqa: E731
    drop: Callable[[Any], None] = lambda _: called.append("drop")  # noqa: E731
    for callback in (drop, keep, drop):
        future.add_done_callback(callback)
    assert inside.remove_callbacks(future, lambda callback: callback is drop) == 2
    future.set_result(1)
    assert called == ["keep"]


def test_calling_future() -> None:
    got: list[Any] = []

    class Calls(inside.CallingFuture[int]):
        def _call_back(self, callbacks: Any) -> None:
            got.extend(callbacks)

    future = Calls()
    future.add_done_callback(str)
    future.set_result(1)
    assert got == [str]
