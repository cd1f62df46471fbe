"""Programs written for concurrent.futures run on a kernel."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.concurrent import ParslPoolExecutor
from parsl_on_dask.config import Config
from parsl_on_dask.executors import ThreadPoolExecutor

WAIT = 30


def add_one(x: int) -> int:
    return x + 1


def total(*numbers: int) -> int:
    return sum(numbers)


def config(tmp_path: Path) -> Config:
    return Config(executors=[ThreadPoolExecutor(label="pool", max_threads=2)], run_dir=str(tmp_path / "runinfo"))


@pytest.fixture(scope="module")
def dfk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    kernel = parsl.load(config(tmp_path_factory.mktemp("pool")))
    yield kernel
    parsl.clear()


@pytest.fixture
def pool(dfk: Any) -> ParslPoolExecutor:
    return ParslPoolExecutor(dfk=dfk)


def test_exactly_one_of_config_and_dfk(dfk: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Specify only one of config or dfk"):
        ParslPoolExecutor(config=config(tmp_path), dfk=dfk)
    with pytest.raises(ValueError, match="Must specify one of config or dfk"):
        ParslPoolExecutor()


def test_submit_and_map(pool: ParslPoolExecutor) -> None:
    assert isinstance(pool, concurrent.futures.Executor)
    assert pool.submit(add_one, 1).result(WAIT) == 2
    assert list(pool.map(add_one, [3, 2, 1])) == [4, 3, 2]
    assert list(pool.map(total, [1, 2], [10, 20, 30], chunksize=5)) == [11, 22]
    assert pool.app_count == 2
    assert pool.get_app(add_one) is pool.get_app(add_one)


def test_futures_can_be_arguments(pool: ParslPoolExecutor) -> None:
    assert pool.submit(add_one, pool.submit(add_one, 1)).result(WAIT) == 3  # type: ignore[arg-type]


def test_labels_of_executors(dfk: Any) -> None:
    pool = ParslPoolExecutor(dfk=dfk, executors=["pool"])
    assert pool.get_app(add_one).executors == ["pool"]
    assert pool.submit(add_one, 1).result(WAIT) == 2


def test_map_with_a_timeout(pool: ParslPoolExecutor) -> None:
    assert list(pool.map(add_one, [1, 2], timeout=WAIT)) == [2, 3]
    release = threading.Event()
    results = pool.map(lambda x: release.wait(WAIT), [1], timeout=0.2)
    with pytest.raises(concurrent.futures.TimeoutError):
        next(results)
    release.set()


def test_map_raises_what_a_call_raises(pool: ParslPoolExecutor) -> None:
    results = pool.map(lambda x: 1 // x, [1, 0])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_buffersize_limits_how_far_ahead_arguments_are_read(pool: ParslPoolExecutor) -> None:
    read = []

    def arguments() -> Iterator[int]:
        for i in range(100):
            read.append(i)
            yield i

    results = pool.map(add_one, arguments(), buffersize=3)
    assert read == [0, 1, 2]
    assert [next(results), next(results)] == [1, 2]
    assert len(read) == 5
    assert list(results) == list(range(3, 101))


@pytest.mark.parametrize(("wrong", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError)])
def test_a_wrong_buffersize(pool: ParslPoolExecutor, wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="buffersize"):
        pool.map(add_one, [1], buffersize=wrong)


def test_a_callable_without_a_hash(pool: ParslPoolExecutor) -> None:
    class Scale:
        __hash__ = None  # type: ignore[assignment]
        __name__ = "scale"

        def __call__(self, x: int) -> int:
            return 10 * x

    assert pool.submit(Scale(), 2).result(WAIT) == 20


def test_a_borrowed_kernel_lives_on(dfk: Any) -> None:
    with ParslPoolExecutor(dfk=dfk) as pool:
        future = pool.submit(add_one, 1)
    pool.shutdown()
    assert future.done()
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(add_one, 1)
    with pytest.raises(RuntimeError, match="shut down"):
        list(pool.map(add_one, [1]))
    pool.shutdown()
    assert parsl.dfk() is dfk
    assert ParslPoolExecutor(dfk=dfk).submit(add_one, 5).result(WAIT) == 6


def test_shutdown_cancels_what_has_not_started_if_asked(dfk: Any) -> None:
    pool = ParslPoolExecutor(dfk=dfk)
    gate: concurrent.futures.Future[int] = concurrent.futures.Future()
    waiting = pool.submit(add_one, gate)  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="not canceled"):
        pool.shutdown(cancel_futures=True)
    assert waiting.cancelled()
    gate.set_result(1)
