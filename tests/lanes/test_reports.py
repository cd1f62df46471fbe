"""When calls count as lost whose reports do not come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from parsl_on_dask.lanes import reports as module
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.reports import LATE, Clock, Reports
from parsl_on_dask.lanes.shift import Batch


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_process_that_was_stopped_does_not_take_calls_for_lost() -> None:
    time = Time()
    lost: list[Any] = []
    keeping = SimpleNamespace(batch_ended=lambda batch: None)
    client = SimpleNamespace(status="running")
    lane = SimpleNamespace(client=client, keeping=keeping, batches={}, shifts={}, cluster=None)
    reports = Reports(lane)  # type: ignore[arg-type]
    reports.clock = Clock(time)
    reports._lost = lambda batch, *_: lost.append(batch.id)  # type: ignore[method-assign]
    batch = Batch("b", "app", feed=True)
    batch.begin_with([Call("app", print, (), {}, {}, print)])
    lane.batches["b"] = batch
    reports.ended(batch, SimpleNamespace(status="finished"))
    time.now += 3600  # SIGSTOP, and an hour later SIGCONT
    reports.late()
    assert not lost, "its reports may be in the sockets"
    while not lost:
        time.now += 1
        reports.late()
        assert time.now < 3700 + 2 * LATE
    assert lost == ["b"]


def test_time_passes_as_usual_in_a_process_that_runs() -> None:
    time = Time()
    clock = Clock(time)
    for _ in range(10):
        time.now += 1.0
        clock.tick()
    assert clock.time == 10.0
    assert module.STRIDE > 1.0
