"""The result cache within one run."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, python_app
from parsl_on_dask.dataflow.memoization import id_for_memo
from tests.helpers import WAIT, append, text_of

WARM = True


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


@id_for_memo.register(Named)
def _(named: Named, output_ref: bool = False) -> bytes:
    return named.name.encode()


@python_app(cache=True)
def cached(path: str, x: Any = None, y: Any = 0) -> Any:
    append(path)
    return [x, y]


@python_app(cache=True)
def cached_failure(path: str) -> None:
    append(path)
    raise ValueError("remembered")


@python_app
def value(x: Any) -> Any:
    return x


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(tmp_path / "log")


@pytest.fixture(scope="module", autouse=True)
def _kernel(kernel: Any) -> Any:
    return kernel


def test_equal_calls_run_once(log: str) -> None:
    first = cached(log, 1, y=2)
    assert first.result(WAIT) == [1, 2]
    again = [cached(log, 1, y=2) for _ in range(5)]
    assert [f.result(WAIT) for f in again] == [[1, 2]] * 5
    assert text_of(log) == "x"
    assert first.task_status() == "exec_done" and {f.task_status() for f in again} == {"memo_done"}
    assert again[0].task_record["from_memo"] is True and not first.task_record["from_memo"]
    assert again[0].task_record["hashsum"] == first.task_record["hashsum"]


@pytest.mark.parametrize(
    "one, other",
    [
        ((1,), (2,)),
        ((1,), ("1",)),
        ((None,), (0,)),
        (([1, 2],), ([2, 1],)),
        (({"a": 1},), ({"a": 2},)),
        ((1, 1), (1, 2)),
    ],
    ids=repr,
)
def test_different_arguments_run_again(log: str, one: Any, other: Any) -> None:
    cached(log, *one).result(WAIT)
    cached(log, *other).result(WAIT)
    assert text_of(log) == "xx"


@pytest.mark.parametrize("argument", [(1, "a", 2.5, None, True), [[1], ["a"]], {"b": 2, "a": [1]}], ids=repr)
def test_nested_arguments_are_compared_by_value(log: str, argument: Any) -> None:
    import copy

    cached(log, argument).result(WAIT)
    cached(log, copy.deepcopy(argument)).result(WAIT)
    assert text_of(log) == "x"


def test_an_app_without_cache_always_runs(log: str) -> None:
    app = python_app(append)
    for _ in range(3):
        app(log).result(WAIT)
    assert text_of(log) == "xxx"


def test_automatic_names_of_streams_make_no_difference(log: str) -> None:
    @bash_app(cache=True)
    def noted(path: str, stdout: Any = parsl.AUTO_LOGNAME) -> str:
        return f"echo -n x >> {path}; echo out"

    first, again = [(f.result(WAIT), f)[1] for f in (noted(log), noted(log))]
    assert text_of(log) == "x" and again.task_status() == "memo_done"
    assert text_of(first.stdout) == "out\n"


def test_same_arguments_of_another_app(log: str) -> None:
    def other(path: str, x: Any = None, y: Any = 0) -> None:
        append(path)

    cached(log, 1).result(WAIT)
    python_app(other, cache=True)(log, 1).result(WAIT)
    assert text_of(log) == "xx"


def test_futures_are_compared_by_their_values(log: str) -> None:
    assert cached(log, value(5)).result(WAIT) == [5, 0]
    assert cached(log, value(5)).result(WAIT) == [5, 0]
    assert cached(log, 5).result(WAIT) == [5, 0]
    assert text_of(log) == "x"


def test_ignored_arguments(log: str) -> None:
    @python_app(cache=True, ignore_for_cache=["y"])
    def partly(path: str, x: Any, y: Any = None) -> Any:
        append(path)
        return y

    assert partly(log, 1, y="first").result(WAIT) == "first"
    assert partly(log, 1, y="second").result(WAIT) == "first"
    assert partly(log, 2, y="third").result(WAIT) == "third"
    assert text_of(log) == "xx"


def test_failures_are_remembered_within_a_run(log: str) -> None:
    for _ in range(3):
        with pytest.raises(ValueError, match="remembered"):
            cached_failure(log).result(WAIT)
    assert text_of(log) == "x"


def test_an_unhashable_argument_shows_in_the_future(log: str) -> None:
    future = cached(log, object())
    with pytest.raises(ValueError, match="unknown type for memoization"):
        future.result(WAIT)
    assert text_of(log) == ""
    assert cached(log, 1).result(WAIT) == [1, 0]


def test_types_of_ones_own(log: str) -> None:
    def run(name: str) -> None:
        python_app(lambda path, named: append(path), cache=True)(log, Named(name)).result(WAIT)

    for name in ("a", "a", "b"):
        run(name)
    assert text_of(log) == "xx"


def test_bash_apps(log: str, tmp_path: Path) -> None:
    @bash_app(cache=True)
    def command(word: str, stdout: Any = None) -> str:
        return f"echo -n {word} >> {log}"

    for _ in range(3):
        assert command("word").result(WAIT) == 0
    assert text_of(log) == "word"
    command("other").result(WAIT)
    assert text_of(log) == "wordother"


def test_a_cached_result_is_a_dependency_like_any(log: str) -> None:
    cached(log, 1).result(WAIT)
    blocker: concurrent.futures.Future[int] = concurrent.futures.Future()
    waiting = cached(log, blocker)
    dependent = value(waiting)
    blocker.set_result(1)
    assert dependent.result(WAIT) == [1, 0]
    assert waiting.task_status() == "memo_done"
    assert text_of(log) == "x"


def test_a_large_cached_value(log: str) -> None:
    @python_app(cache=True)
    def large(path: str) -> bytes:
        append(path)
        return b"z" * 2_000_000

    first, second = large(log).result(WAIT), large(log).result(WAIT)
    assert first == second == b"z" * 2_000_000
    assert python_app(len)(large(log)).result(WAIT) == 2_000_000
    assert text_of(log) == "x"


def test_memoize_false_in_the_memoizer(make_config: Callable[..., Any], log: str) -> None:
    from parsl_on_dask.dataflow.dflow import DataFlowKernel
    from parsl_on_dask.dataflow.memoization import BasicMemoizer

    with DataFlowKernel(make_config(memoizer=BasicMemoizer(memoize=False))) as other:
        app = python_app(append, cache=True, data_flow_kernel=other)
        for _ in range(2):
            app(log).result(WAIT)
    assert text_of(log) == "xx"
