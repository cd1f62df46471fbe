"""Which arguments are small, and what stands in a record for those that are not."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from parsl_on_dask.data_provider.files import File
from parsl_on_dask.dataflow.kept_arguments import Depended, Dropped, is_small, loose_args, loose_kwargs
from parsl_on_dask.remote.standin import FinishedFuture


@dataclass
class Settings:
    steps: int
    mesh: Any = None


class Slotted:
    __slots__ = ("mesh", "unset")

    def __init__(self, mesh: Any) -> None:
        self.mesh = mesh


class Pair(NamedTuple):
    a: Any
    b: Any


class Curious:
    """Notices whoever looks at it."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"somebody asked for {name}")

    def __len__(self) -> int:
        raise AssertionError("somebody asked for its length")


BIG = np.zeros(100_000)
OUTER: list[Any] = []
OUTER.append(OUTER)


@pytest.mark.parametrize(
    "value",
    [
        *(1, 2.5, None, "text", b"bytes", True, 1j, range(10**9), len, dict, np, divmod),
        *([1, [2, {"a": (3,)}]], {1, 2}, deque([1]), Pair(1, "b"), FinishedFuture([1]), Settings(3), Slotted(4)),
        *(Path("a/b"), File("in.txt"), np.float64(1), np.arange(10), np.datetime64("2026-01-01")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_small(value: Any) -> None:
    assert is_small((value,))


def test_nothing_of_the_values_own_is_run() -> None:
    assert is_small([Curious()])


@pytest.mark.parametrize(
    "value",
    [
        *("x" * 100_000, b"x" * 100_000, [0] * 2000, {i: i for i in range(2000)}, ["x" * 40_000] * 2, OUTER),
        *(BIG, BIG[:2], np.array([BIG], dtype=object), Settings(3, BIG), Slotted(BIG), Pair(1, BIG)),
        *(FinishedFuture(BIG), Future(), threading.Lock(), (lambda held: lambda: held)(BIG), memoryview(b"")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_not_surely_small(value: Any) -> None:
    assert not is_small(value)


def test_what_stands_for_large_arguments() -> None:
    held, dropped = np.zeros(100_000), np.ones(100_000)
    args = loose_args((1, held, dropped, [2, held, dropped], "x" * 100_000, FinishedFuture(held)))
    kwargs = loose_kwargs({"held": held, "dropped": dropped, "stdout": "o" * 100_000})
    del dropped
    shown = args.shown()
    assert shown[0] == 1 and shown[1] is held and shown[3][:2] == [2, held] and shown[5].result() is held
    assert [type(x) for x in (shown[2], shown[3][2], shown[4])] == [Dropped] * 3
    assert repr(shown[4]) == "<an argument that was released, a str>"
    assert kwargs.shown()["held"] is held and type(kwargs.shown()["dropped"]) is Dropped
    assert kwargs["stdout"] == "o" * 100_000, "which futures have as an attribute"


def test_what_stands_for_parts_of_large_arguments() -> None:
    held = np.zeros(100_000)
    parts = loose_args(([held, [1, 2], [held], FinishedFuture(held)],)).shown()[0]
    assert parts[0] is held and parts[1] == [1, 2] and parts[3].result() is held
    assert type(parts[2]) is Dropped, "an inner list that is not small"


def test_futures_that_a_task_has_waited_for_are_shown_while_somebody_has_them() -> None:
    first, second = Future[int](), Future[int]()
    depended = Depended(map(weakref.ref, (first, second)))
    del first
    assert depended.shown() == [second]


@pytest.mark.parametrize("use", [len, list, bool, float, lambda x: x[0], lambda x: x + 1, lambda x: x.shape])
def test_use_of_one_that_is_gone_says_why(use: Any) -> None:
    with pytest.raises(ReferenceError, match="garbage_collect=False"):
        use(Dropped("ndarray"))
