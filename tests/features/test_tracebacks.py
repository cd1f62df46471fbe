"""From the line that asks for a result to the line that failed there is nothing between."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from parsl_on_dask import File, bash_app, join_app, python_app
from tests.helpers import hold

WARM = True
WAIT = 60

#: Python 3.10 cannot leave a function out of a traceback that it has been put into.
pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="one frame of ours is shown")


def helper(table: dict[str, int], key: str) -> float:
    return table[key] / 0


class Model:
    def solve(self, table: dict[str, int]) -> float:
        def inner() -> float:
            return (lambda: helper(table, "a"))()

        return inner()


@python_app
def fails(table: Any) -> float:
    return Model().solve(table)


@python_app
def fails_in_time(walltime: int = 60) -> float:
    return helper({}, "b")


@join_app
def joins(count: int) -> Any:
    return fails({"a": 1}) if count == 1 else [fails({"a": 1}) for _ in range(count)]


@bash_app
def formats(table: dict[str, int]) -> str:
    return f"echo {helper(table, 'c')}"


@bash_app
def exits(outputs: Any = ()) -> str:
    return "exit 3"


@python_app
def passed(x: Any) -> Any:
    return x


def trace(error: BaseException) -> list[str]:
    """Functions of a traceback, all of which have to be of this file and to show their lines."""
    frames = traceback.extract_tb(error.__traceback__)
    assert {frame.filename for frame in frames} <= {__file__}, frames
    assert all(frame.line for frame in frames)
    return [frame.name for frame in frames]


def raised(call: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as caught:
        call()
    error = caught.value
    # of the frames of this test, the first is that of this function
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
    return error


SOLVES = ["solve", "inner", "<lambda>", "helper"]


def test_the_line_that_failed_follows_the_line_that_asked(load: Callable[..., Any]) -> None:
    load()
    future = fails({"a": 1})
    for _ in range(3):
        error = raised(lambda: future.result(WAIT))
        assert trace(error) == ["<lambda>", "fails", *SOLVES], "also when it is asked for again"
        assert traceback.extract_tb(error.__traceback__)[-1].line == "return table[key] / 0"


def test_an_exception_that_was_not_raised_begins_in_the_app(load: Callable[..., Any]) -> None:
    load()
    error = fails({"a": 1}).exception(WAIT)
    assert error is not None and trace(error) == ["fails", *SOLVES]


def test_asked_for_by_await(load: Callable[..., Any]) -> None:
    load()

    async def wait() -> Any:
        return await fails({"a": 1})

    error = raised(lambda: asyncio.run(wait()))
    assert [f.name for f in traceback.extract_tb(error.__traceback__)][-6:] == ["wait", "fails", *SOLVES]


def test_under_a_walltime(load: Callable[..., Any]) -> None:
    load()
    assert trace(raised(lambda: fails_in_time().result(WAIT))) == ["<lambda>", "fails_in_time", "helper"]


@pytest.mark.parametrize("count", [1, 2])
def test_joins(load: Callable[..., Any], count: int) -> None:
    load()
    error = raised(lambda: joins(count).result(WAIT))
    assert trace(error) == ["<lambda>"]
    assert error.__cause__ is not None and trace(error.__cause__) == ["fails", *SOLVES]


def test_dependents(load: Callable[..., Any]) -> None:
    load()
    error = raised(lambda: passed(passed(fails({"a": 1}))).result(WAIT))
    assert trace(error) == ["<lambda>"]
    assert error.__cause__ is not None and trace(error.__cause__) == ["fails", *SOLVES]


def test_commands(load: Callable[..., Any]) -> None:
    load()
    assert trace(raised(lambda: formats({"c": 1}).result(WAIT))) == ["<lambda>", "formats", "helper"]
    future = exits(outputs=[File("nothing.txt")])
    assert trace(raised(lambda: future.result(WAIT))) == ["<lambda>"]
    for _ in range(2):
        assert trace(raised(lambda: future.outputs[0].result(WAIT))) == ["<lambda>"]


def test_a_file_asked_for_after_its_task(load: Callable[..., Any]) -> None:
    load()
    future = python_app(lambda outputs=(): helper({"a": 1}, "a"))(outputs=[File("nothing.txt")])
    first = raised(lambda: future.result(WAIT))
    assert trace(first) == ["<lambda>", "<lambda>", "helper"]
    assert trace(raised(lambda: future.outputs[0].result(WAIT))) == ["<lambda>", "<lambda>", "helper"]


def test_a_failure_that_the_cache_remembers(load: Callable[..., Any]) -> None:
    load()
    app = python_app(lambda x: helper({"a": x}, "a"), cache=True)
    for _ in range(3):
        assert trace(raised(lambda: app(1).result(WAIT))) == ["<lambda>", "<lambda>", "helper"]


def test_what_cannot_be_pickled(load: Callable[..., Any]) -> None:
    kernel = load()
    if type(kernel.config.executors[0]).__name__ == "ThreadPoolExecutor":
        pytest.skip("threads pickle nothing")
    error = raised(lambda: passed(threading.Lock()).result(WAIT))
    assert trace(error) == ["<lambda>"]
    assert isinstance(error.__cause__, TypeError) and error.__cause__.__traceback__ is None


def test_waiting_for_too_long(load: Callable[..., Any], tmp_path: Any) -> None:
    load()
    gate = str(tmp_path / "gate")
    future = python_app(hold)(str(tmp_path / "started"), gate)
    with pytest.raises(concurrent.futures.TimeoutError) as caught:
        future.result(0.01)
    frames = traceback.extract_tb(caught.value.__traceback__)
    open(gate, "w").close()
    assert [frame.filename for frame in frames] == [__file__]
    future.result(WAIT)


def test_a_function_of_a_module_is_as_it_was(load: Callable[..., Any]) -> None:
    load()
    import json

    error = raised(lambda: python_app(json.loads)("{").result(WAIT))
    frames = traceback.extract_tb(error.__traceback__)
    assert frames[0].filename == __file__ and frames[1].filename == json.__file__
    assert not [f for f in frames if "parsl_on_dask" in f.filename or "concurrent" in f.filename]


def test_the_log_shows_the_users_lines(load: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    load()
    with caplog.at_level("ERROR", logger="parsl"):
        fails({"a": 1}).exception(WAIT)
    [record] = [r for r in caplog.records if "retry attempts" in r.getMessage()]
    assert record.exc_info is not None and record.exc_info[2] is not None
    assert [f.name for f in traceback.extract_tb(record.exc_info[2])] == ["fails", *SOLVES]
