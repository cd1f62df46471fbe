"""Futures that raise without frames of their own."""

from __future__ import annotations

import sys
import threading
import traceback
from concurrent.futures import CancelledError
from typing import Any

import pytest

from parsl_on_dask import Config, python_app
from parsl_on_dask.common.raising import PlainFuture, as_it_came, hide_this_frame
from parsl_on_dask.executors import ThreadPoolExecutor

plain = pytest.mark.skipif(sys.version_info < (3, 11), reason="one frame of ours is shown")


def broken() -> None:
    raise ValueError("no data")


def failed() -> PlainFuture[Any]:
    future: PlainFuture[Any] = PlainFuture()
    try:
        broken()
    except ValueError as e:
        future.set_exception(e)
    return future


def names(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def ask(future: Any, **kwargs: Any) -> BaseException:
    try:
        future.result(**kwargs)
    except BaseException as e:
        return e
    raise AssertionError("it did not fail")


@plain
def test_it_is_the_same_each_time() -> None:
    future = failed()
    for _ in range(5):
        assert names(ask(future)) == ["ask", "failed", "broken"]


def test_the_traceback_does_not_grow() -> None:
    future = failed()
    lengths = {len(names(ask(future))) for _ in range(5)}
    assert len(lengths) == 1


def test_as_it_came() -> None:
    future = failed()
    ask(future)
    error = as_it_came(future)
    assert error is not None and names(error) == ["failed", "broken"]
    done: PlainFuture[int] = PlainFuture()
    done.set_result(1)
    assert as_it_came(done) is None


@plain
@pytest.mark.parametrize("cancelled", [False, True])
def test_waiting_in_vain(cancelled: bool) -> None:
    future: PlainFuture[Any] = PlainFuture()
    if cancelled:
        future.cancel()
    error = ask(future, timeout=0)
    assert isinstance(error, CancelledError if cancelled else TimeoutError)
    assert names(error) == ["ask"]


def test_another_thread_that_raises_it_at_the_same_moment() -> None:
    """It has put back the traceback that the exception came with, between this thread's catching and hiding."""
    future = failed()
    error = future.exception()
    assert error is not None
    hide_this_frame(error, future._trace)
    hide_this_frame(error, future._trace)
    assert names(error) == ["failed", "broken"]


def test_many_threads_get_the_exception() -> None:
    future = failed()
    seen: list[BaseException] = []
    barrier = threading.Barrier(8)

    def run() -> None:
        barrier.wait(60)
        for _ in range(200):
            seen.append(ask(future))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 1600 and set(seen) == {future.exception()}


@plain
@pytest.mark.parametrize("make", [lambda: Config(retires=3), lambda: python_app(retires=3)])  # type: ignore[call-arg]
def test_a_wrong_keyword_ends_at_the_line_that_has_it(make: Any) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert names(caught.value)[-1] == "<lambda>"


@plain
def test_executors_without_a_kernel_and_pools() -> None:
    executor = ThreadPoolExecutor()
    executor.start()
    try:
        assert names(ask(executor.submit(broken, {}), timeout=60)) == ["ask", "broken"]
    finally:
        executor.shutdown()


@plain
def test_a_pools_map(request: pytest.FixtureRequest) -> None:
    from parsl_on_dask.concurrent import ParslPoolExecutor

    with (
        ParslPoolExecutor(Config(executors=[ThreadPoolExecutor()])) as pool,
        pytest.raises(ZeroDivisionError) as caught,
    ):
        list(pool.map(lambda x: 1 / x, [0]))
    assert set(names(caught.value)) == {"test_a_pools_map", "<lambda>"}
