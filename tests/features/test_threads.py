"""Threads hand arguments and results over by reference, as Parsl's do."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from parsl_on_dask import join_app, python_app
from parsl_on_dask.executors.high_throughput.errors import AppExit
from tests.helpers import WAIT

pytestmark = pytest.mark.usefixtures("kernel")


@pytest.fixture(scope="module", params=["threads"])
def config_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@python_app
def same(x: Any) -> Any:
    return x


def test_an_unpicklable_argument_and_result() -> None:
    lock = threading.Lock()
    assert same(lock).result(WAIT) is lock


def test_a_list_that_the_app_appends_to() -> None:
    collected: list[int] = []

    @python_app
    def collect(where: list[int], x: int) -> None:
        where.append(x)

    for future in [collect(collected, i) for i in range(50)]:
        future.result(WAIT)
    assert sorted(collected) == list(range(50))


def test_a_closure_over_something_unpicklable() -> None:
    lock, seen = threading.Lock(), []

    @python_app
    def locked(x: int) -> int:
        with lock:
            seen.append(x)
            return len(seen)

    assert sorted(f.result(WAIT) for f in [locked(i) for i in range(20)]) == list(range(1, 21))
    assert sorted(seen) == list(range(20))


def test_dependencies_by_reference() -> None:
    thing = object()
    assert same(same(same(thing))).result(WAIT) is thing
    assert same(inputs := [thing]).result(WAIT) is inputs or inputs[0] is thing


def test_a_global_of_the_script() -> None:
    assert python_app(lambda: os.getpid())().result(WAIT) == os.getpid()


def test_an_exception_by_reference() -> None:
    error = ValueError("this very object")

    @python_app
    def broken() -> None:
        raise error

    assert broken().exception(WAIT) is error


def test_an_app_may_call_another_app() -> None:
    """Parsl allows it on threads: the inner future can be handed out."""

    @python_app
    def outer() -> Any:
        return same(5)

    assert outer().result(WAIT).result(WAIT) == 5


def test_join_and_threads_share_objects() -> None:
    thing = threading.Lock()

    @join_app
    def joined() -> Any:
        return same(thing)

    assert joined().result(WAIT) is thing


def test_no_more_threads_at_once_than_asked_for() -> None:
    running, most, lock = 0, 0, threading.Lock()

    @python_app
    def busy() -> None:
        nonlocal running, most
        import time

        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    for future in [busy() for _ in range(30)]:
        future.result(WAIT)
    assert most == 2


def test_system_exit_in_a_thread_is_a_failed_call() -> None:
    @python_app
    def leave() -> None:
        raise SystemExit(3)

    error = leave().exception(WAIT)
    assert isinstance(error, AppExit) and str(error).startswith("app 'leave' called sys.exit(3), ")
    assert error.__traceback__ is not None and error.__traceback__.tb_frame.f_code.co_name == "leave"
    assert same(1).result(WAIT) == 1
