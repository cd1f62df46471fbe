"""A run as a file that trace viewers read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import Config, DataFlowKernel, HighThroughputExecutor, MonitoringHub, ThreadPoolExecutor, python_app
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.monitoring import cli, run_trace, trace
from parsl_on_dask.monitoring.trace import Span
from tests.helpers import WAIT


def double(x: int, *after: int) -> int:
    if x == 3:
        raise ValueError(x)
    return 2 * x


def ran(folder: Path, executor: Any, **options: Any) -> None:
    config = Config(executors=[executor], run_dir=str(folder), initialize_logging=False, retries=1, **options)
    with DataFlowKernel(config) as kernel:
        app = python_app(double, data_flow_kernel=kernel)
        first = [app(i) for i in range(5)]
        for future in [*first, *[app(10 + i, future) for i, future in enumerate(first)]]:
            future.exception(WAIT)


def drawn(path: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for event in json.loads(path.read_text())["traceEvents"]:
        found.setdefault(event["ph"], []).append(event)
    return found


def check(found: dict[str, list[dict[str, Any]]], label: str) -> None:
    bars = found["X"]
    assert len(bars) == 10, "five calls, one of which was tried twice, and four that came after them"
    assert sum(bar["cat"] == "failed" for bar in bars) == 2
    assert all(bar["dur"] >= 0 and bar["ts"] >= 0 and bar["name"] == "double" for bar in bars)
    assert len(found["s"]) == len(found["f"]) == 4, "an arrow from each call to the one that waited for it"
    waiting = [event["args"]["calls"] for event in sorted(found["C"], key=lambda event: event["ts"])]
    assert len(waiting) == 20 and max(waiting) >= 1 and min(waiting) == waiting[-1] == 0
    assert {label, "waiting"} <= {event["args"].get("name") for event in found["M"]}


@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("source", ["a trace", "a database"])
def test_a_run(tmp_path: Path, kind: str, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    many = {"threads": ThreadPoolExecutor, "processes": HighThroughputExecutor}
    executor = many[kind](label="here", **({} if kind == "threads" else {"max_workers_per_node": 2}))
    if source == "a database":
        pytest.importorskip("sqlalchemy")
        ran(tmp_path / "runs", executor, monitoring=MonitoringHub())
    else:
        ran(tmp_path / "runs", executor, trace=True)
    path = tmp_path / "calls.json"
    for where in (tmp_path / "runs" / "000", tmp_path / "runs"):
        assert cli.main("report", [str(where), "--trace", str(path)]) == 0
        assert "10 calls of" in capsys.readouterr().out
        check(drawn(path), "here")


def test_where_there_is_nothing_to_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran(tmp_path / "runs", ThreadPoolExecutor())
    assert not (tmp_path / "runs/000/trace").exists()
    assert cli.main("report", [str(tmp_path / "runs"), "--trace", str(tmp_path / "calls.json")]) == 1
    assert "Config(trace=True)" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match="trace"):
        Config(trace="yes")  # type: ignore[arg-type]


def test_a_run_that_was_killed_is_drawn_as_far_as_it_was_written(tmp_path: Path) -> None:
    ran(tmp_path, ThreadPoolExecutor(), trace=True)
    file = tmp_path / "000" / run_trace.FILE
    whole = file.read_bytes()
    file.write_bytes(whole + whole[: len(whole) // 2])
    assert len(list(run_trace.read(str(tmp_path / "000")))) == 10


def test_rows_of_a_place_are_used_again() -> None:
    spans = [
        Span(0, 0, "a", "htex", "w", 0.0, 1.0, 3.0, False, ()),
        Span(1, 0, "a", "htex", "w", 0.0, 3.0, 2.5, False, (0, 7)),
    ]
    bars = [event for event in trace.events(spans) if event["ph"] == "X"]
    assert [bar["dur"] for bar in bars] == [2e6, 0.0], "a clock that went back makes no negative bar"
    assert len([event for event in trace.events(spans) if event["ph"] == "s"]) == 1, "task 7 is not known"
    assert list(trace.events([])) == []
