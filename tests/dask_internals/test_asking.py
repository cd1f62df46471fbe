"""Dask's modules are called as they were when objects ask who wants to know."""

from __future__ import annotations

from typing import Any

import dask
from dask._task_spec import parse_input
from dask.base import tokenize

from parsl_on_dask.dask_internals.asking import asked_by_dask, asked_for_key


def test_asked_by_dask() -> None:
    found: list[bool] = []

    class Asked:
        def __dask_tokenize__(self) -> str:
            found.append(asked_by_dask())
            return "asked"

    tokenize(Asked())
    assert found and all(found)
    found.clear()
    Asked().__dask_tokenize__()
    assert found == [False]
    assert dask.__name__ == "dask"


def test_asked_for_key() -> None:
    found: list[bool] = []

    class Asked:
        __dask_future__ = True

        def __getattr__(self, name: str) -> Any:
            if name == "key":
                found.append(asked_for_key())
                return "its key"
            raise AttributeError(name)

    assert parse_input(Asked()).key == "its key"
    assert found and all(found)
    found.clear()
    assert Asked().key == "its key" and found == [False]
