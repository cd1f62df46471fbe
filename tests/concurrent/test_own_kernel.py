"""A pool that is made from a Config has a kernel of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.concurrent import ParslPoolExecutor
from parsl_on_dask.errors import NoDataFlowKernelError
from tests.concurrent.test_pool import add_one, config


@pytest.fixture(autouse=True)
def _nothing_stays_loaded() -> Iterator[None]:
    parsl.clear()
    yield
    parsl.clear()


def test_it_is_cleaned_up_after_the_calls_are_done(tmp_path: Path) -> None:
    with ParslPoolExecutor(config(tmp_path)) as pool:
        futures = [pool.submit(add_one, i) for i in range(20)]
    assert [f.result(0) for f in futures] == list(range(1, 21))
    with pytest.raises(NoDataFlowKernelError):
        parsl.dfk()


def test_the_next_one_can_start_at_once(tmp_path: Path) -> None:
    for _ in range(2):
        pool = ParslPoolExecutor(config(tmp_path))
        assert pool.submit(add_one, 1).result(30) == 2
        pool.shutdown(wait=False)
