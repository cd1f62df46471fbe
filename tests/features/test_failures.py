"""Exceptions: what arrives, with which text, and what a chain of failures says."""

from __future__ import annotations

import concurrent.futures
import sys
import threading
import traceback
from typing import Any

import pytest

from parsl_on_dask import bash_app, python_app
from parsl_on_dask.app.errors import BashExitFailure
from parsl_on_dask.dataflow.errors import DependencyError, PropagatedException
from parsl_on_dask.executors.high_throughput.errors import AppExit
from tests.helpers import WAIT

WARM = True

pytestmark = pytest.mark.usefixtures("kernel")


class Detailed(Exception):
    def __init__(self, code: int, where: str) -> None:
        super().__init__(f"code {code} at {where}")
        self.code = code
        self.where = where

    def __reduce__(self) -> Any:
        return Detailed, (self.code, self.where)


class TwoArguments(Exception):
    """Cannot be rebuilt from its args: the common mistake."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


@python_app
def call(function: Any) -> Any:
    return function()


@python_app
def root_of_all_evil(x: Any = None) -> None:
    raise ValueError("the root cause")


@python_app
def middle(x: Any) -> Any:
    return x


@python_app
def last(*xs: Any) -> Any:
    return xs


def everything_said(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + str(error)


def test_type_message_and_attributes() -> None:
    def broken() -> None:
        raise Detailed(404, "the cellar")

    with pytest.raises(Detailed, match="code 404 at the cellar") as caught:
        call(broken).result(WAIT)
    assert (caught.value.code, caught.value.where) == (404, "the cellar")


def test_builtin_errors_keep_their_own_attributes() -> None:
    error = call(lambda: open("/no/such/file")).exception(WAIT)
    assert isinstance(error, FileNotFoundError)
    assert (error.errno, error.filename) == (2, "/no/such/file")


def test_the_remote_traceback_is_shown() -> None:
    def a_function_deep_inside() -> None:
        raise ValueError("deep")

    def outer() -> None:
        a_function_deep_inside()

    error = call(outer).exception(WAIT)
    assert error is not None
    text = everything_said(error)
    assert "a_function_deep_inside" in text
    assert "test_failures.py" in text


def test_cause_and_context_survive() -> None:
    def broken() -> None:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner

    error = call(broken).exception(WAIT)
    assert isinstance(error, ValueError)
    assert isinstance(error.__cause__, KeyError)


def test_result_and_exception_agree_and_repeat() -> None:
    future = root_of_all_evil()
    first = future.exception(WAIT)
    for _ in range(3):
        with pytest.raises(ValueError, match="the root cause") as caught:
            future.result(WAIT)
        assert caught.value is first


@pytest.mark.parametrize("kind", ["rebuilding fails", "holds a lock", "unpicklable cause"])
def test_an_exception_that_cannot_be_pickled(kind: str) -> None:
    def rebuilding_fails() -> None:
        raise TwoArguments("bread", "butter")

    def holds_a_lock() -> None:
        error = RuntimeError("bread and butter")
        error.lock = threading.Lock()  # type: ignore[attr-defined]
        raise error

    def unpicklable_cause() -> None:
        cause = RuntimeError("a cause")
        cause.lock = threading.Lock()  # type: ignore[attr-defined]
        raise ValueError("bread and butter") from cause

    functions = {
        "rebuilding fails": (rebuilding_fails, "TwoArguments"),
        "holds a lock": (holds_a_lock, "RuntimeError"),
        "unpicklable cause": (unpicklable_cause, "ValueError"),
    }
    function, name = functions[kind]
    error = call(function).exception(WAIT)
    assert error is not None
    text = everything_said(error)
    assert name in text and "bread and butter" in text
    assert function.__name__ in text, "the remote traceback"
    assert middle(1).result(WAIT) == 1


def test_an_exception_whose_class_the_client_cannot_import(config_name: str) -> None:
    def broken() -> None:
        import sys
        import types

        module = types.ModuleType("only_on_the_worker")
        exec("class Homegrown(Exception):\n    pass\n", module.__dict__)
        sys.modules[module.__name__] = module
        raise module.Homegrown("from far away")

    error = call(broken).exception(WAIT)
    assert error is not None
    text = everything_said(error)
    assert "Homegrown" in text and "from far away" in text and "broken" in text


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups came with Python 3.11")
def test_an_exception_group() -> None:
    import builtins

    group: Any = getattr(builtins, "ExceptionGroup")  # noqa: B009

    def broken() -> None:
        raise group("several", [ValueError("one"), KeyError("two")])

    error = call(broken).exception(WAIT)
    assert isinstance(error, group)
    assert [type(e) for e in error.exceptions] == [ValueError, KeyError]


def test_very_deep_recursion_in_an_app() -> None:
    def forever(n: int = 0) -> int:
        return forever(n + 1)

    assert isinstance(call(forever).exception(WAIT), RecursionError)
    assert middle(1).result(WAIT) == 1


def test_a_generator_exit_and_stop_iteration() -> None:
    def stop() -> None:
        raise StopIteration("stopped")

    assert isinstance(call(stop).exception(WAIT), StopIteration)


def test_a_result_that_is_an_exception() -> None:
    result = call(lambda: ValueError("only a value")).result(WAIT)
    assert isinstance(result, ValueError)


def test_a_dependency_error_names_apps_and_tasks_down_to_the_root() -> None:
    first = root_of_all_evil()
    second = middle(first)
    third = middle(second)
    fourth = last(1, third)
    with pytest.raises(DependencyError) as caught:
        fourth.result(WAIT)
    error = caught.value
    text = str(error)
    for future in (first, second, third, fourth):
        assert f"task {future.tid}" in text, text
    assert "root_of_all_evil" in text, text
    assert "middle" in text and "last" in text, text
    assert "ValueError" in text and "the root cause" in text, text
    assert error.task_id == fourth.tid
    assert isinstance(error.__cause__, ValueError)
    [(direct, description)] = error.dependent_exceptions_tids
    assert isinstance(direct, DependencyError) and description == f"task {third.tid}"
    assert isinstance(error, PropagatedException)


def test_several_failed_dependencies() -> None:
    bad = [root_of_all_evil(), root_of_all_evil()]
    with pytest.raises(DependencyError) as caught:
        last(bad[0], middle(1), bad[1]).result(WAIT)
    assert [d for _, d in caught.value.dependent_exceptions_tids] == [f"task {f.tid}" for f in bad]
    assert "(+ others)" in str(caught.value)


def test_a_dependency_error_waits_for_all_dependencies() -> None:
    slow: concurrent.futures.Future[int] = concurrent.futures.Future()
    future = last(root_of_all_evil(), slow)
    with pytest.raises(concurrent.futures.TimeoutError):
        future.result(0.3)
    slow.set_result(1)
    assert isinstance(future.exception(WAIT), DependencyError)


def test_a_failed_bash_app_as_root_cause() -> None:
    @bash_app
    def broken() -> str:
        return "exit 9"

    error = last(broken()).exception(WAIT)
    assert isinstance(error, DependencyError)
    assert isinstance(error.__cause__, BashExitFailure)
    assert "broken" in str(error)


def test_states_after_failures(kernel: Any) -> None:
    bad = root_of_all_evil()
    after = middle(bad)
    assert after.exception(WAIT) is not None
    assert bad.task_status() == "failed"
    assert after.task_status() == "dep_fail"


def test_many_failures_among_many_successes() -> None:
    def odd_fails(i: int) -> int:
        if i % 2:
            raise ValueError(f"odd {i}")
        return i

    app = python_app(odd_fails)
    futures = [app(i) for i in range(600)]
    for i, future in enumerate(futures):
        if i % 2:
            assert str(future.exception(WAIT)) == f"odd {i}"
        else:
            assert future.result(WAIT) == i


def test_keyboard_interrupt_in_an_app_does_not_reach_the_script() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    error = call(interrupt).exception(WAIT)
    assert isinstance(error, AppExit) and isinstance(error.__cause__, KeyboardInterrupt)
    assert middle(1).result(WAIT) == 1
