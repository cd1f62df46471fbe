"""retries and retry_handler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import bash_app, join_app, python_app
from parsl_on_dask.app.errors import BashExitFailure
from parsl_on_dask.dataflow.errors import DependencyError, JoinError
from tests.helpers import WAIT, append, text_of

WARM = True


@python_app
def flaky(log: str, succeed_at: int) -> int:
    """Fails until its try number `succeed_at`."""
    append(log)
    tries = len(open(log).read())
    if tries < succeed_at:
        raise RuntimeError(f"try {tries}")
    return tries


@python_app
def after(x: Any) -> Any:
    return x


def test_as_many_tries_as_it_takes(load: Callable[..., Any], tmp_path: Path) -> None:
    kernel = load(retries=2)
    log = str(tmp_path / "log")
    future = flaky(log, 3)
    assert after(future).result(WAIT) == 3
    record = future.task_record
    assert (record["fail_count"], record["fail_cost"], record["try_id"]) == (2, 2, 2)
    assert kernel.task_count == 2


def test_no_more_tries_than_allowed(load: Callable[..., Any], tmp_path: Path) -> None:
    load(retries=2)
    log = str(tmp_path / "log")
    future = flaky(log, 100)
    dependent = after(future)
    with pytest.raises(RuntimeError, match="try 3"):
        future.result(WAIT)
    assert isinstance(dependent.exception(WAIT), DependencyError)
    assert text_of(log) == "xxx"
    assert future.task_record["fail_count"] == 3
    assert future.task_status() == "failed"


def test_no_retries_by_default(load: Callable[..., Any], tmp_path: Path) -> None:
    load()
    log = str(tmp_path / "log")
    with pytest.raises(RuntimeError, match="try 1"):
        flaky(log, 2).result(WAIT)
    assert text_of(log) == "x"


def test_bash_apps_and_bodies_of_join_apps_are_retried(load: Callable[..., Any], tmp_path: Path) -> None:
    load(retries=1)
    log = tmp_path / "log"

    @bash_app
    def broken() -> str:
        return f"echo -n x >> {log}; exit 5"

    with pytest.raises(BashExitFailure):
        broken().result(WAIT)
    assert log.read_text() == "xx"

    bodies: list[int] = []

    @join_app
    def body() -> Any:
        bodies.append(1)
        if len(bodies) == 1:
            raise RuntimeError("first body")
        return after("joined")

    assert body().result(WAIT) == "joined"
    assert len(bodies) == 2


def test_a_failed_join_is_not_retried(load: Callable[..., Any]) -> None:
    load(retries=3)
    bodies: list[int] = []

    @python_app
    def bad() -> None:
        raise ValueError("inner")

    @join_app
    def body() -> Any:
        bodies.append(1)
        return bad()

    assert isinstance(body().exception(WAIT), JoinError)
    assert len(bodies) == 1


def test_fractional_costs(load: Callable[..., Any], tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def handler(exception: Exception, record: Any) -> float:
        seen.append((str(exception), record["id"]))
        return 0.5

    load(retries=1, retry_handler=handler)
    log = str(tmp_path / "log")
    future = flaky(log, 100)
    with pytest.raises(RuntimeError, match="try 3"):
        future.result(WAIT)
    assert seen == [("try 1", future.tid), ("try 2", future.tid), ("try 3", future.tid)]
    assert future.task_record["fail_cost"] == 1.5


def test_costs_by_kind_of_failure(load: Callable[..., Any], tmp_path: Path) -> None:
    def handler(exception: Exception, record: Any) -> float:
        return 0 if "try 1" in str(exception) or "try 2" in str(exception) else 100

    load(retries=1, retry_handler=handler)
    log = str(tmp_path / "log")
    with pytest.raises(RuntimeError, match="try 3"):
        flaky(log, 100).result(WAIT)
    assert text_of(log) == "xxx"


def test_a_handler_that_raises(load: Callable[..., Any], tmp_path: Path) -> None:
    def handler(exception: Exception, record: Any) -> float:
        raise LookupError(f"no idea about {exception}")

    load(retries=10, retry_handler=handler)
    log = str(tmp_path / "log")
    with pytest.raises(LookupError, match="no idea about try 1"):
        flaky(log, 100).result(WAIT)
    assert text_of(log) == "x"


def test_a_dependency_error_is_not_retried(load: Callable[..., Any], tmp_path: Path) -> None:
    asked: list[str] = []

    def handler(exception: Exception, record: Any) -> float:
        asked.append(record["func_name"])
        return 1

    load(retries=1, retry_handler=handler)
    log = str(tmp_path / "log")
    future = after(flaky(log, 100))
    assert isinstance(future.exception(WAIT), DependencyError)
    assert text_of(log) == "xx"
    assert asked.count("flaky") == 2


def test_each_of_many_is_retried_on_its_own(load: Callable[..., Any], tmp_path: Path) -> None:
    load(retries=2)
    futures = [flaky(str(tmp_path / f"{i}"), 1 + i % 3) for i in range(60)]
    assert [f.result(WAIT) for f in futures] == [1 + i % 3 for i in range(60)]
    assert [len(text_of(str(tmp_path / f"{i}"))) for i in range(60)] == [1 + i % 3 for i in range(60)]
