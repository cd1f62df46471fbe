"""Tracebacks that were taken apart on a worker and put together again."""

from __future__ import annotations

import pickle
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from parsl_on_dask.lanes.failures import unpack_error
from parsl_on_dask.lanes.traceback_frames import traceback_of
from parsl_on_dask.remote.errors import pack_error


class Solver:
    def solve(self, x: int) -> Any:
        return [self.step(y) for y in range(x)]

    def step(self, x: int) -> float:
        half = lambda y: (  # noqa: E731
            y + 1 / x
        )
        return half(x)


def nested() -> None:
    def inner() -> None:
        raise ValueError("no data") from KeyError("mesh")

    inner()


def generated() -> None:
    next(x / 0 for x in [1])


def from_text() -> None:
    exec("def made():\n    return 1 / 0\nmade()", {"__name__": "made"})


def deep(n: int = 0) -> None:
    deep(n + 1)


def error_of(call: Callable[[], Any]) -> BaseException:
    try:
        call()
    except Exception as e:
        return e
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("call", [lambda: Solver().solve(2), nested, generated, from_text, deep])
def test_it_reads_as_it_did_on_the_worker(call: Callable[[], Any]) -> None:
    error = error_of(call)
    again = unpack_error(pickle.loads(pickle.dumps(pack_error(error))))
    assert again.__traceback__ is not error.__traceback__
    assert traceback.format_exception(again) == traceback.format_exception(error)


def test_the_frames_name_module_and_function() -> None:
    again = unpack_error(pack_error(error_of(nested)))
    frames = [frame for frame, _ in traceback.walk_tb(again.__traceback__)]
    assert frames[-1].f_code.co_name == "inner" and frames[-1].f_globals["__name__"] == __name__
    if sys.version_info >= (3, 11):
        assert frames[-1].f_code.co_qualname == "nested.<locals>.inner"
    assert frames[-1].f_code.co_firstlineno < frames[-1].f_lineno


def test_unknown_columns_mark_nothing() -> None:
    made = traceback_of([(__file__, "solve", "Solver.solve", "m", 19, 20, 20, None, None)])
    assert "^" not in "".join(traceback.format_tb(made))


def test_no_frames_are_no_traceback() -> None:
    assert traceback_of([]) is None
    assert unpack_error(pack_error(ValueError("never raised"))).__traceback__ is None


def test_a_frame_that_cannot_be_made_is_left_out() -> None:
    good = ("a.py", "f", "f", "m", 5, 5, 5, 0, 4)
    made = traceback_of([("a\0b.py", *good[1:]), good, (*good[:7], 9, 4)])
    assert [frame.filename for frame in traceback.extract_tb(made)] == ["a.py"]


def test_positions_that_make_no_sense_do_no_harm() -> None:
    made = traceback_of([("a.py", "f", "f", "m", 5, 3, 2, 0, 4), ("a.py", "g", "g", "m", 0, 0, 0, 7, 9)])
    assert [frame.name for frame in traceback.extract_tb(made)] == ["f", "g"]
