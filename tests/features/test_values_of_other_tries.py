"""A large value that a task changed in place is as it was for later tries, for hits in the cache, and in records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from tests.features.test_values_changed_in_place import COUNT, make, size, spoil
from tests.helpers import WAIT

WARM = True


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    """Threads share objects, as Parsl's do."""
    return str(request.param)


def test_a_result_from_the_cache(load: Callable[..., Any]) -> None:
    load(memoizer=BasicMemoizer(memoize=True))

    @python_app(cache=True)
    def cached(n: int) -> Any:
        return list(range(n))

    assert size(cached(COUNT)).result(WAIT) == COUNT
    assert spoil(cached(COUNT)).result(WAIT) == 0
    assert size(cached(COUNT)).result(WAIT) == COUNT


def test_a_try_that_fails_leaves_the_next_one_the_value_as_it_was(load: Callable[..., Any], tmp_path: Any) -> None:
    load(retries=1)

    @python_app
    def spoil_once(x: Any, log: str) -> int:
        import os

        n = len(x)
        x.clear()
        if not os.path.exists(log):
            open(log, "w").close()
            raise ValueError("the first time")
        return n

    assert spoil_once(make(), str(tmp_path / "log")).result(WAIT) == COUNT


def test_records_that_are_kept_keep_the_values(load: Callable[..., Any]) -> None:
    kernel = load(garbage_collect=False)
    spoilt = spoil(make())
    assert spoilt.result(WAIT) == 0
    assert len(kernel.tasks[0].app_fu.result(WAIT)) == COUNT
