"""Exceptions and handlers that misbehave themselves: the call fails, and nothing hangs."""

from __future__ import annotations

import logging
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.app.errors import BadStdStreamFile
from parsl_on_dask.dataflow.errors import DependencyError
from parsl_on_dask.errors import TypeCheckError
from parsl_on_dask.serialize.errors import SerializationError

WARM = True

pytestmark = pytest.mark.timeout(60)


class Unprintable(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


def unprintable() -> None:
    raise Unprintable("x")


def recursion(n: int) -> int:
    return recursion(n + 1)


def test_an_exception_that_cannot_be_printed(load: Callable[..., Any]) -> None:
    load(retries=1)
    failed = parsl.python_app(unprintable)()
    after = parsl.python_app(lambda x: x)(failed)
    assert type(failed.exception(30)).__name__ == "Unprintable"
    assert isinstance(after.exception(30), DependencyError)
    assert str(after.exception())


def test_a_recursion_error_keeps_its_type(load: Callable[..., Any]) -> None:
    load()
    with pytest.raises(RecursionError):
        parsl.python_app(recursion)(0).result(30)


def test_a_retry_handler_that_returns_no_number(load: Callable[..., Any]) -> None:
    load(retries=3, retry_handler=lambda error, record: None)
    assert isinstance(parsl.python_app(unprintable)().exception(30), TypeError)


def test_a_wrong_stdout_is_typeguards_error_where_that_is_used(load: Callable[..., Any]) -> None:
    typeguard = pytest.importorskip("typeguard")
    load()
    error = parsl.bash_app(lambda stdout=None: "true")(stdout=("a", "w", 3)).exception(30)
    assert isinstance(error, BadStdStreamFile) and isinstance(error, TypeError)
    with pytest.raises(typeguard.TypeCheckError):
        raise error
    again = pickle.loads(pickle.dumps(TypeCheckError("abc")))
    assert isinstance(again, TypeCheckError) and isinstance(again, typeguard.TypeCheckError) and str(again) == "abc"


def test_a_serialization_error_names_the_argument(load: Callable[..., Any]) -> None:
    kernel = load()
    if type(kernel.config.executors[0]).__name__ == "ThreadPoolExecutor":
        pytest.skip("threads pickle nothing")
    error = parsl.python_app(lambda x, y: x)(1, y=threading.Lock()).exception(30)
    assert isinstance(error, SerializationError) and "keyword argument 'y'" in str(error)


def test_dependencies_are_in_the_log(load: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    load()
    with caplog.at_level(logging.INFO, logger="parsl"):
        one = parsl.python_app(lambda: 1)()
        two = parsl.python_app(lambda x: x)(one)
        two.result(30)
    pairs = [
        (r.__dict__["parsl.task"], r.__dict__["parsl.dependency_task"])
        for r in caplog.records
        if "parsl.dependency_task" in r.__dict__
    ]
    assert pairs == [(two.tid, one.tid)]


LONG = 3_000_000


def test_a_long_text_arrives_whole_and_is_told_shortly(
    load: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    load()

    @parsl.python_app
    def wordy(n: int) -> None:
        raise ValueError("x" * n)

    with caplog.at_level(logging.INFO, "parsl"):
        failed = wordy(LONG)
        assert failed.exception(60).args == ("x" * LONG,)
    [history] = failed.task_record["fail_history"]
    assert len(history) < 100_000 and history.startswith("ValueError('xxx") and "more characters" in history
    told = [r for r in caplog.records if "retry attempts" in r.message]
    assert len(told) == 1 and told[0].exc_info is not None and told[0].exc_info[1] is failed.exception()
    assert "ValueError: xxx" in caplog.text and "in wordy" in caplog.text and len(caplog.text) < LONG


def test_an_array_in_an_exception_arrives(load: Callable[..., Any]) -> None:
    load()

    @parsl.python_app
    def with_array(n: int) -> None:
        import array

        raise ValueError("too many", array.array("d", range(n)))

    text, numbers = with_array(200_000).exception(60).args
    assert text == "too many" and len(numbers) == 200_000 and numbers[-1] == 199_999
