"""What a retry handler may do: wait for an app, take long, raise anything."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from parsl_on_dask import python_app
from tests.helpers import WAIT

WARM = True


@python_app
def one(x: Any) -> Any:
    return x


@python_app
def fail(text: str) -> None:
    raise ValueError(text)


def test_a_retry_handler_waits_for_an_app(load: Callable[..., Any]) -> None:
    asked: list[Any] = []

    def handler(error: Exception, record: Any) -> float:
        asked.append(one(str(error)).result(WAIT))
        return 1

    load(retries=2, retry_handler=handler)
    assert isinstance(fail("no").exception(WAIT), ValueError)
    assert asked == ["no"] * 3


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ZeroDivisionError()], ids=repr)
def test_a_retry_handler_that_raises_ends_its_task_alone(load: Callable[..., Any], error: BaseException) -> None:
    def handler(_: Exception, record: Any) -> float:
        raise error

    load(retries=2, retry_handler=handler)
    failed = fail("no")
    assert type(failed.exception(WAIT)) is type(error)
    assert [one(i).result(WAIT) for i in range(10)] == list(range(10))


def test_a_slow_retry_handler_holds_up_nobody(load: Callable[..., Any]) -> None:
    gate = threading.Event()

    def handler(error: Exception, record: Any) -> float:
        gate.wait(WAIT)
        return 10

    load(retries=1, retry_handler=handler)
    failed = fail("no")
    assert [one(i).result(WAIT) for i in range(20)] == list(range(20))
    assert not failed.done()
    gate.set()
    assert isinstance(failed.exception(WAIT), ValueError)
