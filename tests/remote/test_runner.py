"""When a shift hands back what waits behind a call that takes long, and when it tells of results."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from parsl_on_dask.remote.execution import ENDED
from parsl_on_dask.remote.packing import loads
from parsl_on_dask.remote.runner import GLANCE, HELD, LINGER
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


def messages_of(worker: Worker) -> list[tuple[float, list[int]]]:
    """What the shift of a worker sends from now on: when, and the numbers of the calls that it tells of."""
    sent: list[tuple[float, list[int]]] = []
    shift = worker.shift
    assert shift is not None
    send = shift.agent.send

    def note(message: bytes) -> None:
        told = [report[1] for report in loads(message)[-1] if report[0] in ENDED]
        if told:
            sent.append((worker.scheduler.loop.time.monotonic(), told))
        send(message)

    shift.agent.send = note  # type: ignore[method-assign]
    return sent


@pytest.mark.parametrize("seconds, together", [(0.001, 4), (0.002, 2), (0.01, 3), (0.03, 1)])
def test_results_of_short_calls_share_messages_and_are_a_moment_late(seconds: float, together: int) -> None:
    with World() as world:
        worker = with_calls(world, 40, seconds)
        sent = messages_of(worker)
        ended: dict[int, float] = {}
        while worker.take():
            number = worker.call[0]
            for _ in range(10):
                world.time.pass_by(seconds / 10)
                world.loop.turn(3)
            worker.finish()
            ended[number] = world.time.monotonic()
        last = list(ended)[-1]
        assert sorted(number for _, told in sent for number in told) == sorted(ended)
        assert len(ended) / len(sent) >= together - 0.5
        late = [when - ended[number] for when, told in sent for number in told]
        assert max(late) <= HELD
        assert sent[-1] == (ended[last], sent[-1][1]), "with nothing left to do it leaves at once"


def test_a_result_is_not_held_back_by_the_call_behind_it() -> None:
    with World() as world:
        worker = with_calls(world, 10, 0.01)
        sent = messages_of(worker)
        for _ in range(2):
            worker.take()
            world.time.pass_by(0.01)
            worker.finish()
        worker.take()  # which goes on and on
        for _ in range(30):
            world.time.pass_by(0.001)
            world.loop.turn(3)
        assert sum(len(told) for _, told in sent) == 2
