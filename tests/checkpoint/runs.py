"""Apps that write down when they are run, and what is asked about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parsl_on_dask import python_app
from parsl_on_dask.checkpoint import Store
from tests.helpers import WAIT, append, text_of

Run = Callable[..., Any]


@python_app(cache=True)
def square(log: str, x: Any) -> Any:
    append(log)
    return x * x


@python_app(cache=True)
def block(log: str, size: int, letter: str = "b") -> bytes:
    append(log)
    return letter.encode() * size


@python_app
def length(value: Any) -> int:
    return len(value)


def squares(log: str, numbers: range = range(5)) -> list[Any]:
    """Futures of squares, all done."""
    futures = [square(log, i) for i in numbers]
    assert [f.result(WAIT) for f in futures] == [i * i for i in numbers]
    return futures


def states(futures: list[Any]) -> set[str]:
    """The states that futures are in."""
    return {f.task_status() for f in futures}


def ran(log: str) -> int:
    """How many calls were run."""
    return len(text_of(log))


def recorded(directory: Any) -> list[str]:
    """Apps whose results are recorded in a directory, by somebody who looks now."""
    store = Store(directory)
    try:
        return sorted(entry.app for entry in store.entries())
    finally:
        store.close()
