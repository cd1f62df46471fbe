"""Sinks of the user's own are told what is recorded."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.monitoring import MonitoringHub
from parsl_on_dask.monitoring.events import BlockState, Event, NodeState, ResourceSample, TaskState, of_rows
from tests.helpers import WAIT

WARM = True

pytest.importorskip("sqlalchemy")


@pytest.fixture(scope="module", params=["threads", "processes"])
def config_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@python_app
def half(x: int) -> float:
    return 1 / x


def told_of(load: Callable[..., Any], *sinks: Callable[..., Any]) -> None:
    with load(monitoring=MonitoringHub(sinks=[*sinks])):
        assert half(2).result(WAIT) == 0.5
        assert isinstance(half(0).exception(WAIT), ZeroDivisionError)


def test_a_sink_is_told_of_each_state(load: Callable[..., Any]) -> None:
    events: list[Event] = []
    told_of(load, events.extend)
    for task, end in ((0, "exec_done"), (1, "failed")):
        states = [e for e in events if isinstance(e, TaskState) and e.task_id == task]
        assert {"pending", "launched", "running", "running_ended", end} == {e.state for e in states}
        assert {e.app for e in states} == {"half"} and {e.try_id for e in states} == {0}
        assert len({e.run_id for e in states}) == 1 and all(isinstance(e.timestamp, datetime) for e in states)
    with pytest.raises(dataclasses.FrozenInstanceError):
        events[0].run_id = "another"  # type: ignore[misc]


def test_a_sink_that_raises_gets_nothing_more(load: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []
    events: list[Event] = []

    def broken(found: list[Event]) -> None:
        calls.append(len(found))
        raise SystemExit(3)

    with caplog.at_level(logging.ERROR, "parsl.monitoring.writer"):
        told_of(load, broken, events.extend)
    assert len(calls) == 1 and "a monitoring sink has raised" in caplog.text
    assert {e.state for e in events if isinstance(e, TaskState)} >= {"exec_done", "failed"}


def test_every_table_that_only_grows_has_its_event() -> None:
    from parsl_on_dask.monitoring.tables import COLUMNS

    at = datetime(2026, 3, 9, 12)
    some: dict[str, Any] = {"task_id": 1, "try_id": 0, "run_id": "r", "timestamp": str(at), "psutil_process_pid": 7}
    tables = ("status", "resource", "block", "node")
    rows = {name: [tuple(some.get(column) for column in COLUMNS[name])] for name in tables}
    found = list(of_rows(rows, COLUMNS, {1: "half"}))
    assert [type(event) for event in found] == [TaskState, ResourceSample, BlockState, NodeState]
    assert all(event.run_id == "r" and event.timestamp == at for event in found)
    assert isinstance(found[0], TaskState) and found[0].app == "half"
    assert isinstance(found[1], ResourceSample) and found[1].pid == 7
