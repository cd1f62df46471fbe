"""``failed()`` sums up what went wrong; ``fail_fast`` stops at the first failure."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import failed, join_app, python_app
from parsl_on_dask.dataflow.errors import RunStopped
from parsl_on_dask.dataflow.failed import Failures
from tests.helpers import WAIT, eventually, hold


@pytest.fixture(scope="module")
def config_name() -> str:
    return "threads"


@python_app
def read(i: int) -> int:
    if i % 3 == 0:
        raise ValueError(f"no data in block {i}")
    return 7 // (i % 5)


@python_app
def mean(*values: int) -> int:
    return sum(values)


def settled(futures: list[Any]) -> list[Any]:
    for future in futures:
        future.exception(WAIT)
    return futures


def test_a_summary(load: Any) -> None:
    load()
    reads = [read(i) for i in range(20)]
    futures = settled(reads + [mean(future) for future in reads])
    summary = failed(futures)
    assert [(len(c.futures), type(c.error), c.not_run["mean"]) for c in summary] == [
        (7, ValueError, 7),
        (2, ZeroDivisionError, 2),
    ]
    assert set(summary.futures) == {future for future in reads if future.exception(0)}
    text = repr(summary)
    assert text.startswith("9 of 40 calls failed, 9 were not run because of that")
    assert "1. 7 of app read: ValueError: no data in block 0 (" in text and f"{__file__}:" in text
    assert "not run because of that: 7 of app mean" in text and text.count("Traceback") == 2
    assert "<details>" in summary._repr_html_() and "ValueError" in summary._repr_html_()


def test_the_cause_may_not_be_among_the_futures(load: Any) -> None:
    load()
    [cause] = failed(settled([mean(mean(read(0)))]))
    assert (cause.app, len(cause.futures), cause.not_run) == ("read", 0, {"mean": 1})


def test_futures_of_others_and_those_that_are_not_done() -> None:
    futures: list[Future[Any]] = [Future() for _ in range(3)]
    futures[0].set_result(1)
    futures[1].cancel()
    assert repr(failed(futures)) == "0 of 3 calls failed, 1 were cancelled, 1 are not done"
    assert isinstance(failed([]), Failures) and len(failed([])) == 0


def test_stop_at_the_first_failure(load: Any, tmp_path: Path) -> None:
    load(fail_fast=True)
    gate, started = tmp_path / "gate", tmp_path / "started"
    holding = python_app(hold)(str(started), str(gate))
    eventually(started.exists, "one call runs")
    waiting = [mean(holding) for _ in range(5)]
    with pytest.raises(ValueError, match="block 0"):
        read(0).result(WAIT)
    for future in waiting:
        with pytest.raises(RunStopped) as caught:
            future.result(WAIT)
        assert isinstance(caught.value.__cause__, ValueError)
    eventually(lambda: "Not run: 5 of app mean" in str(caught.value), "all of them are told of")
    assert "(app read) failed" in str(caught.value)
    with pytest.raises(RunStopped):
        mean(1)
    gate.touch()
    holding.result(WAIT)
    [cause] = failed(waiting)
    assert (cause.app, cause.not_run) == ("read", {"mean": 5})


def test_a_failure_that_is_tried_again_stops_nothing(load: Any, tmp_path: Path) -> None:
    load(fail_fast=True, retries=1)

    @python_app
    def flaky(path: str) -> int:
        with open(path, "a") as file:
            file.write("x")
            if file.tell() == 1:
                raise OSError("once")
        return 1

    @join_app
    def joined(path: str) -> Any:
        return flaky(path)

    assert flaky(str(tmp_path / "a")).result(WAIT) == 1
    assert joined(str(tmp_path / "b")).result(WAIT) == 1
    assert mean(1, 2).result(WAIT) == 3
