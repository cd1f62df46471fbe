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

WARM = True


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    """Where there are connections."""
    name: str = request.param
    return name


@python_app
def counted(path: str, size: int = 0, started: str = "", gate: str = "") -> bytes:
    append(path)
    if gate:
        hold(started, gate)
    return b"." * size


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


def test_a_large_result_outlives_the_connection(load: Callable[..., Any], config_name: str, tmp_path: Path) -> None:
    """The connection breaks while the call runs; when that ends, neither a connection nor a shift needs the agent."""
    if config_name == "existing":
        pytest.skip("calls that take so long are Dask tasks of their own there, which hold their values")
    lane = lane_of(load())

    def waits_for_more() -> bool:
        assert counted(str(tmp_path / "before")).result(WAIT) == b""
        return any(link.ready for link in lane.links.links.values())

    def held(number: int) -> tuple[Any, bool]:
        """The future of a call that runs, and whether it was sent to a shift that ran already."""
        eventually(waits_for_more, "a connection to a worker is there", WAIT)
        started = tmp_path / f"started{number}"
        future = counted(str(tmp_path / f"ran{number}"), 300_000, str(started), str(tmp_path / f"gate{number}"))
        eventually(started.exists, "the call runs", WAIT)
        return future, any(set(batch.calls) - batch.initial for batch in list(lane.shifts.values()))

    for number in range(50):
        future, fed = held(number)
        if fed:
            for comm in [link.comm for link in lane.links.links.values() if link.comm is not None]:
                lane.client.loop.add_callback(comm.abort)
            eventually(lambda: not any(link.ready for link in lane.links.links.values()), "they are gone")
        (tmp_path / f"gate{number}").touch()
        assert len(future.result(WAIT)) == 300_000
        assert text_of(tmp_path / f"ran{number}") == "x", "it ran once"
        if fed:
            return
    raise AssertionError("no call was sent to a shift that ran already")


def test_calls_end_when_dasks_client_gives_up_on_its_scheduler(
    load: Callable[..., Any], config_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask's client stays in "connecting" for ever when an error other than OSError ends its new connection."""
    kernel = load(warm=False)
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
