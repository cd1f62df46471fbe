"""When a shift hands back what waits behind a call that takes long."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from parsl_on_dask.remote.runner import GLANCE, LINGER
from tests.lanes.fakes import Worker, World
from tests.lanes.test_dispatch import calls, know


def with_calls(world: World, count: int, expected: float | None = None) -> Worker:
    """A worker with a shift of so many calls, which are expected to take so many seconds."""
    worker = world.scheduler.add_worker()
    lane = world.lane()
    if expected is not None:
        know(lane, expected)
    calls(lane, count)
    lane.go()
    world.scheduler.assign(worker)
    worker.begin()
    return worker


def test_a_look_that_comes_late_takes_no_call_that_is_new_to_it_for_a_long_one() -> None:
    with World() as world:
        worker = with_calls(world, 10, 0.001)
        shift = worker.shift
        assert shift is not None
        worker.take()
        world.time.pass_by(0.001)
        world.loop.turn(3)  # the first look
        worker.finish()
        worker.take()
        waiting = len(shift.todo)
        assert waiting
        world.time.pass_by(1.0)  # the machine has something else to do
        world.loop.turn(3)
        assert len(shift.todo) == waiting
        world.time.pass_by(1.0)
        world.loop.turn(3)
        assert not shift.todo, "it was at this call at two looks"


def test_a_shift_without_work_waits_as_often_as_it_is_waked_and_not_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {}
    for late in (0.0, 0.5):
        with World() as world:
            worker = with_calls(world, 1)
            shift = worker.shift
            assert shift is not None
            shift.todo.clear()
            shift.agent.connected = True
            waits: list[float] = []

            def wait(seconds: float, world: World = world, waits: list[float] = waits, late: float = late) -> None:
                waits.append(seconds)
                world.time.pass_by(seconds + late)

            monkeypatch.setattr(shift, "wake", SimpleNamespace(wait=wait))
            assert shift.next() is None
            shift.agent.connected = False
            counts[late] = len(waits)
    assert counts[0.0] == pytest.approx(LINGER / GLANCE, abs=1)
    assert counts[0.5] == pytest.approx(LINGER / GLANCE / 2, abs=1)


def test_calls_behind_a_long_one_are_back_after_the_patience_for_it() -> None:
    with World() as world:
        worker = with_calls(world, 10, 0.001)
        worker.take()
        assert worker.shift is not None
        for _ in range(14):
            world.loop.turn(3)
            world.time.pass_by(0.004)
        world.loop.turn(3)
        assert not worker.shift.todo
