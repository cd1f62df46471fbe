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
    lane = SimpleNamespace(client=SimpleNamespace(status="running"), batches={}, shifts={}, cluster=None)
    lane.keeping = SimpleNamespace(batch_ended=lambda batch: None)
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


def test_a_report_that_cannot_be_dealt_with_ends_its_own_call_alone() -> None:
    ended: list[tuple[int, Any]] = []
    calls = [Call("app", print, (), {}, {}, print) for _ in range(2)]
    for number, call in enumerate(calls, 1):
        call.number = number

    def learn(call: Call, *_: Any) -> None:
        if call.number == 1:
            raise ZeroDivisionError

    lane = SimpleNamespace(batches={}, live={1: calls[0], 2: calls[1]}, queues=SimpleNamespace(learn=learn))
    lane.finish = lambda call, outcome: ended.append((call.number, type(outcome.error)))
    lane.keeping = SimpleNamespace(fail=lambda number, error: None)
    lane.take_note = lambda call, outcome: None
    batch = lane.batches["b"] = Batch("b", "app", feed=True)
    batch.begin_with(calls)
    value = (module.VALUE, b"\x80\x04K\x01.", 0.0, 0.1)
    Reports(lane).read(("b", "w", "a", "h", 1, [(value[0], n, *value[1:]) for n in (1, 2)]))  # type: ignore[arg-type]
    assert ended == [(1, ZeroDivisionError), (2, type(None))]
