"""Connections that break: to a worker, and to the scheduler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.errors import ExecutorError
from tests.helpers import WAIT, append, eventually, hold, text_of
from tests.lanes.traffic import lane_of


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    """Where there are connections."""
    name: str = request.param
    return name


@python_app
def counted(path: str, size: int = 0) -> bytes:
    append(path)
    return b"." * size


@python_app
def large_when_open(path: str, started: str, gate: str) -> bytes:
    append(path)
    hold(started, gate)
    return b"." * 300_000


def break_before_reading(lane: Any) -> list[int]:
    """Let the connection by which the next message comes break before that is read. The number is noted in the list."""
    broken: list[int] = []
    usual = lane.links._is_new

    def is_new(name: str, number: int) -> bool:
        direct = any(link.name == name and link.ready for link in lane.links.links.values())
        if direct and number and not broken:
            broken.append(number)
            raise ConnectionResetError("staged")
        return bool(usual(name, number))

    lane.links._is_new = is_new
    return broken


@pytest.mark.parametrize("size", [0, 300_000], ids=["small", "large"])
def test_a_call_runs_once_whose_report_is_swallowed(load: Callable[..., Any], tmp_path: Path, size: int) -> None:
    lane = lane_of(load())

    def begins() -> bool:
        assert len(counted(str(tmp_path / "before"), size).result(WAIT)) == size
        return any(link.ready for link in lane.links.links.values())

    eventually(begins, "a connection to a worker is there", WAIT)
    broken = break_before_reading(lane)
    number = 0
    while not broken:  # the first of them may have been sent through the scheduler
        number += 1
        path = tmp_path / str(number)
        assert len(counted(str(path), size).result(WAIT)) == size
        assert text_of(path) == "x", "it ran once"
    assert number


def test_a_large_result_outlives_the_connection(load: Callable[..., Any], tmp_path: Path, gate: str) -> None:
    """The connection breaks while the call runs; when that ends, neither a connection nor a shift needs the agent."""
    lane = lane_of(load())

    def begins() -> bool:
        assert counted(str(tmp_path / "before")).result(WAIT) == b""
        return any(link.ready for link in lane.links.links.values())

    eventually(begins, "a connection to a worker is there", WAIT)
    started = tmp_path / "started"
    future = large_when_open(str(tmp_path / "ran"), str(started), gate)
    eventually(started.exists, "the call runs", WAIT)
    for link in list(lane.links.links.values()):
        lane.client.loop.add_callback(link.comm.abort)
    eventually(lambda: not any(link.ready for link in lane.links.links.values()), "they are gone")
    Path(gate).touch()
    assert len(future.result(WAIT)) == 300_000
    assert text_of(tmp_path / "ran") == "x", "it ran once"


def test_calls_end_when_dasks_client_gives_up_on_its_scheduler(
    load: Callable[..., Any], config_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask's client stays in "connecting" for ever when an error other than OSError ends its new connection."""
    kernel = load()
    lane = lane_of(kernel)
    assert counted(str(tmp_path / "a")).result(WAIT) == b""
    client = lane.client

    async def refuse(timeout: Any = None) -> None:
        raise AssertionError("an event behind the greeting")

    monkeypatch.setattr(client, "_ensure_connected", refuse)
    gate = tmp_path / "gate"
    waiting = python_app(lambda path: __import__("time").sleep(0.5))(str(gate))
    client.loop.add_callback(lambda: client.scheduler_comm.comm.abort())
    error = waiting.exception(WAIT)
    assert isinstance(error, ExecutorError)
    assert "Dask's client has given up" in str(error)
    assert client.status == "connecting", "Dask tells nobody: else the look at its task can go"
    with pytest.raises(ExecutorError, match="given up"):
        counted(str(tmp_path / "b")).result(WAIT)
    kernel.cleanup()
    assert client.status == "closed", "else Dask closes it again when it is collected, which takes a minute"
