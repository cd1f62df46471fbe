"""Frames of this package, and of what it runs calls through, at the beginning of a traceback."""

from __future__ import annotations

import traceback
from concurrent.futures import Future
from types import CodeType, FunctionType
from typing import Any

import pytest

from parsl_on_dask.remote.tracebacks import behind_ours, without_ours


def as_of(module: str, function: Any) -> Any:
    """The function, as if it were of another module."""
    code: CodeType = function.__code__
    return FunctionType(code, {**globals(), "__name__": module}, function.__name__, None, function.__closure__)


def passing(call: Any) -> Any:
    return call()


def fails() -> None:
    raise ValueError("no data")


def raised(call: Any) -> BaseException:
    try:
        call()
    except Exception as e:
        e.__traceback__ = e.__traceback__ and e.__traceback__.tb_next
        return e
    raise AssertionError("it did not fail")


def names(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


ours = as_of("parsl_on_dask.remote.runner", passing)
theirs = as_of("concurrent.futures._base", passing)


def test_ours_and_those_that_it_went_through_are_taken_from_the_beginning() -> None:
    error = raised(lambda: ours(lambda: theirs(fails)))
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # of this test's lambda
    assert names(error) == ["passing", "<lambda>", "passing", "fails"]
    without_ours(error)
    assert names(error) == ["<lambda>", "passing", "fails"], "what a user's line called stays"


def test_nothing_is_taken_where_the_first_frame_is_not_ours() -> None:
    error = raised(lambda: theirs(lambda: ours(fails)))
    before = error.__traceback__
    assert without_ours(error) is before


def test_of_an_error_that_is_all_ours_nothing_is_left() -> None:
    error = raised(as_of("parsl_on_dask.lanes.packing", fails))
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next and error.__traceback__
    assert behind_ours(error.__traceback__) is None


def test_causes_and_contexts_as_well_also_in_a_circle() -> None:
    first, second = (raised(as_of("parsl_on_dask.lanes.packing", fails)) for _ in range(2))
    first.__cause__, second.__context__ = second, first
    without_ours(first)
    assert first.__traceback__ is second.__traceback__ is None


@pytest.mark.parametrize("module", ["parsl_on_dask_tools", "parsl", "concurrently"])
def test_modules_of_similar_names_are_the_users(module: str) -> None:
    error = raised(as_of(module, fails))
    assert behind_ours(error.__traceback__) is error.__traceback__


def test_concurrent_futures_has_the_frames_that_are_named_here() -> None:
    future: Future[Any] = Future()
    future.set_exception(ValueError("no data"))
    error = raised(future.result)
    assert error.__traceback__ is not None
    assert error.__traceback__.tb_frame.f_globals["__name__"].startswith("concurrent.")
