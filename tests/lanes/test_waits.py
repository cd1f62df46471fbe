"""Nothing waits for a future on a thread that has to finish it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import InvalidStateError
from typing import Any

import pytest

from parsl_on_dask.lanes.waits import WouldWaitForItself, check_may_wait, never_wait_here
from parsl_on_dask.python_internals.light_future import LightFuture


def on_a_forbidden_thread(function: Callable[[], Any]) -> Any:
    got: list[Any] = []

    def run() -> None:
        never_wait_here("the thread of this test")
        try:
            got.append(function())
        except BaseException as e:
            got.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return got[0]


@pytest.mark.parametrize("ask", [LightFuture.result, LightFuture.exception])
def test_waiting_there_is_an_error(ask: Callable[[Any], Any]) -> None:
    future: LightFuture[int] = LightFuture()
    error = on_a_forbidden_thread(lambda: ask(future))
    assert isinstance(error, WouldWaitForItself) and "the thread of this test" in str(error)


def test_looking_is_none() -> None:
    future: LightFuture[int] = LightFuture()
    with pytest.raises(TimeoutError):
        raise on_a_forbidden_thread(lambda: future.result(timeout=0))
    future.set_result(3)
    assert on_a_forbidden_thread(future.result) == 3


def test_other_threads_may_wait() -> None:
    on_a_forbidden_thread(lambda: None)
    future: LightFuture[int] = LightFuture()
    threading.Timer(0.01, future.set_result, (1,)).start()
    assert future.result(10) == 1
    check_may_wait(LightFuture())


def test_the_kernel_does_not_wait_for_a_task_when_it_takes_its_value() -> None:
    from parsl_on_dask.dataflow.futures import AppFuture
    from parsl_on_dask.dataflow.taskrecord import TaskRecord

    with pytest.raises(InvalidStateError, match="task 3 is not done"):
        AppFuture(TaskRecord(id=3)).peek()
