"""Which calls go where: into shifts that run, into new Dask tasks, or nowhere yet. On a cluster that is driven."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import pytest

from parsl_on_dask.lanes.dispatch import PROBES, SAMPLE, TOGETHER
from parsl_on_dask.lanes.links import Link
from parsl_on_dask.lanes.queues import ALONE, LONG
from parsl_on_dask.lanes.shift import Shift
from parsl_on_dask.lanes.stages import CANCEL, Stage
from tests.lanes.fakes import World, call_of, outcome_of
from tests.lanes.sending import calls, go_on, groups, know, running


@pytest.fixture(params=[True, False], ids=["ours", "theirs"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with World(ours=request.param) as world:
        yield world


@pytest.fixture
def ours() -> Iterator[World]:
    with World() as world:
        yield world


def test_the_first_calls_of_an_app_go_one_by_one_to_each_slot(world: World) -> None:
    for _ in range(3):
        world.scheduler.add_worker()
    lane = world.lane()
    calls(lane, 20)
    lane.go()
    # others see how much there is to do, as far as that goes
    assert groups(world) == [1] * (3 if lane.cluster.started_here else 8)
    assert lane.queues.size == 20 - len(groups(world))


def test_known_short_calls_share_a_task_and_leave_their_share_to_others(ours: World) -> None:
    for _ in range(2):
        ours.scheduler.add_worker()
    lane = ours.lane()
    know(lane, 0.001)
    calls(lane, 40)
    lane.go()
    assert groups(ours) == [10, 8]
    assert sum(groups(ours)) + lane.queues.size == 40


def test_shifts_that_run_are_fed_directly(ours: World) -> None:
    worker = ours.scheduler.add_worker()
    lane = ours.lane()
    first = calls(lane, 1)
    lane.go()
    ours.scheduler.assign(worker)
    worker.begin()
    ours.loop.turn(5)
    while ours.scheduler.hear():
        lane.go()
        ours.loop.turn(8)
    lane.go()
    [shift] = lane.open_shifts.values()
    assert shift.open and shift.link.address == worker.address
    worker.take()
    worker.finish()
    worker.take()
    ours.loop.turn(5)
    lane.go()
    assert outcome_of(first[0]).value == 0
    more = calls(lane, 5)
    lane.go()
    assert len(ours.scheduler.tasks) == 1, "the shift takes them"
    ours.settle(lane)
    assert [outcome_of(call).value for call in more] == [-i for i in range(5)]


def test_long_calls_are_tasks_of_their_own_as_many_as_keep_the_workers_busy(world: World) -> None:
    for _ in range(2):
        world.scheduler.add_worker()
    lane = world.lane()
    know(lane, 2 * ALONE)
    calls(lane, 50)
    for _ in range(3):
        lane.go()
    assert groups(world) == [1] * 6, "two for each slot, and two more"
    assert not lane.open_shifts


def test_long_calls_that_come_one_by_one_are_no_more(world: World) -> None:
    world.scheduler.add_worker()
    lane = world.lane()
    know(lane, 2 * ALONE)
    for _ in range(6):
        calls(lane, 1)
        lane.go()
    assert groups(world) == [1] * 4


def test_in_flight_is_the_most_that_is_with_dask(world: World) -> None:
    for _ in range(3):
        world.scheduler.add_worker()
    lane = world.lane(in_flight=2)
    know(lane, 0.0001)
    calls(lane, 50)
    for _ in range(3):
        lane.go()
    assert sum(groups(world)) == 2
    world.settle(lane, 100)
    assert not lane.live


def test_quick_calls_with_a_specification_go_in_larger_numbers(ours: World) -> None:
    ours.scheduler.add_worker()
    lane = ours.lane()
    know(lane, 0.001)
    calls(lane, 200, priority=1)
    lane.go()
    assert len(groups(ours)) == 4 + TOGETHER


def test_resources_and_workers_of_a_specification_reach_dask(ours: World) -> None:
    lane = ours.lane()
    sent: list[Any] = []
    lane.client.map = lambda *_, **options: sent.append(options) or []
    with pytest.raises(ValueError):  # as many futures as tasks are expected
        lane.dispatcher._send([calls(lane, 1, resources={"GPU": 2}, workers=["tcp://a:1"], priority=3)], False)
    [options] = sent
    assert options["resources"] == {"GPU": 2}
    assert options["workers"] == ["tcp://a:1"] and not options["allow_other_workers"]
    assert options["priority"] == 1e9 - 3


def test_a_worker_that_is_only_preferred_is_not_waited_for(ours: World) -> None:
    lane = ours.lane()
    sent: list[Any] = []
    lane.client.map = lambda *_, **options: sent.append(options) or []
    with pytest.raises(ValueError):
        lane.dispatcher._send([calls(lane, 1, prefer=["tcp://a:1"])], False)
    assert sent[0]["workers"] == ["tcp://a:1"] and sent[0]["allow_other_workers"]


def test_what_was_cancelled_is_not_sent(world: World) -> None:
    lane = world.lane()
    know(lane, 0.001)
    made = calls(lane, 3)
    for call in made:
        assert call.step(CANCEL) is Stage.CANCELLED
        lane.withdraw(call)
    lane.go()
    assert not world.scheduler.tasks and not lane.live and not lane.queues.size


def test_a_task_that_dask_refuses_fails_its_calls(world: World) -> None:
    lane = world.lane()

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("no")

    lane.client.map = refuse
    made = calls(lane, 3)
    lane.go()
    for call in made:
        assert "Dask did not take a task of app 'app': OSError('no')" in str(outcome_of(call).error)
    assert len({id(outcome_of(call).error) for call in made}) == 3
    assert not lane.live and not lane.shifts


def test_a_shift_without_work_makes_way_for_a_long_call(ours: World) -> None:
    worker = ours.scheduler.add_worker()
    lane = ours.lane()
    calls(lane, 1)
    lane.go()
    ours.scheduler.assign(worker)
    worker.begin()
    worker.take()
    worker.finish()
    worker.take()
    for _ in range(6):
        ours.loop.turn(4)
        ours.scheduler.hear()
        lane.go()
    [shift] = lane.open_shifts.values()
    assert shift.open and not shift.calls
    know(lane, 100 * ALONE)
    calls(lane, 1)
    lane.go()
    ours.loop.turn(6)
    assert shift.stuck
    assert worker.shift is not None and worker.shift.over


def test_behind_a_call_of_unknown_or_long_run_time_no_other_one_waits(ours: World) -> None:
    from types import SimpleNamespace

    lane = ours.lane()
    made = calls(lane, 3)
    lane.go()
    busy = next(iter(lane.shifts.values()))
    lane.open_shifts = {busy.id: busy}
    busy.started, busy.link = True, SimpleNamespace(ready=True, address="a")  # type: ignore[assignment]
    assert busy.open and busy.calls
    key = next(iter(lane.queues.waiting))
    assert lane.dispatcher._room(key, 1, None) is None
    for seconds, found in ((LONG * 1.5, None), (0.001, busy)):
        lane.queues.times.clear()
        lane.queues.learn(made[0], seconds, kept=False)
        assert lane.dispatcher._room(key, 1, None) is found


def test_more_shifts_than_slots_show_others_that_workers_would_be_of_use() -> None:
    for is_ours, expected in ((True, 1), (False, 2)):
        with World(ours=is_ours) as world:
            world.scheduler.add_worker()
            lane = world.lane()
            know(lane, 0.04)
            calls(lane, 100)
            lane.go()
            assert len(groups(world)) == expected


@pytest.mark.parametrize(("seconds", "shifts"), [(0.0, 11), (0.01, 123), (0.04, 245)])
def test_of_many_workers_as_many_get_calls_as_the_work_is_worth(world: World, seconds: float, shifts: int) -> None:
    for _ in range(300):
        world.scheduler.add_worker()
    lane = world.lane()
    know(lane, seconds)
    calls(lane, 3000)
    lane.go()
    begun = len(groups(world))
    assert shifts / 2 <= begun <= shifts
    lane.go()
    assert len(groups(world)) == begun, "what is left waits for these"


def test_while_nothing_is_known_of_an_app_a_few_calls_go_between_looks_at_the_news(world: World) -> None:
    for _ in range(300):
        world.scheduler.add_worker()
    lane = world.lane()
    calls(lane, 300)
    lane.go()
    assert groups(world) == [1] * PROBES and not lane.inbox.empty()
    lane.go()
    assert groups(world) == [1] * 2 * PROBES, "it comes back by itself"
    know(lane, 0.0)
    lane.go()
    assert len(groups(world)) < 3 * PROBES, "no more than the work is worth"


def test_among_very_many_shifts_the_one_that_rests_is_known(ours: World) -> None:
    lane = ours.lane()
    know(lane, 0.04)
    link: Any = Link("a")
    link.ready = True
    for number in range(3 * SAMPLE):
        shift = Shift(str(number), "app", True)
        shift.started, shift.link = True, link
        shift.calls = {i: call_of() for i in range(10)}
        lane.open_shifts[shift.id] = shift
    [key] = [(name,) for name in lane.queues.times]
    assert lane.dispatcher._room(key, 1, None) is None
    last = list(lane.open_shifts.values())[-1]
    last.calls.clear()
    lane.dispatcher.linked(link)
    assert lane.dispatcher._room(key, 1, None) is last
    lane.dispatcher.rests(last)
    last.calls[1] = call_of()
    assert lane.dispatcher._room(key, 1, None) is None, "it has something to do"
    assert any(lane.dispatcher._room(key, 2, None) is last for _ in range(3)), "all have their turn"


def test_while_no_slot_is_idle_one_call_waits_behind_a_long_one(ours: World) -> None:
    lane = ours.lane()
    workers = running(ours, lane, 2, 4 * LONG)
    many = calls(lane, 7)
    go_on(ours, lane)
    for worker in workers:
        assert worker.shift is not None
        worker.take()
        assert len(worker.shift.todo) == 1, "the next one is there already"
    assert lane.queues.size == 3
    ours.time.pass_by(4 * LONG)
    workers[0].finish()
    assert workers[0].take(), "without asking"
    go_on(ours, lane)
    assert workers[0].shift is not None and len(workers[0].shift.todo) == 1
    ours.settle(lane)
    assert [outcome_of(call).value for call in many] == [-i for i in range(7)]
    assert len(workers[0].began) + len(workers[1].began) == 2 + 7


def test_a_call_that_waits_behind_a_long_one_goes_to_the_first_slot_that_is_idle(ours: World) -> None:
    lane = ours.lane()
    one, other = running(ours, lane, 2, 4 * LONG)
    many = calls(lane, 3)
    go_on(ours, lane)
    for worker in (one, other):
        worker.take()
    assert one.shift is not None and other.shift is not None
    full, free = (one, other) if one.shift.todo else (other, one)
    free.finish()
    free.take()
    go_on(ours, lane)
    go_on(ours, lane)
    assert not full.shift.todo and len(free.shift.todo) == 1
    free.take()
    free.finish()
    free.take()
    go_on(ours, lane)
    assert [len(call.owner) for call in many].count(1) == 2, "all but the one that still runs"
    ours.settle(lane)
    assert len(one.began) + len(other.began) == 2 + 3


def test_a_call_of_an_unknown_app_is_not_overtaken_by_long_calls_that_wait_behind_others(ours: World) -> None:
    lane = ours.lane()
    workers = running(ours, lane, 2, 4 * LONG)
    calls(lane, 20)
    go_on(ours, lane)
    for worker in workers:
        worker.take()
    [new] = calls(lane, 1, operator.pos)
    go_on(ours, lane)
    for _ in range(3):  # the call that runs, the one that waits behind it, and this one
        ours.time.pass_by(4 * LONG)
        for worker in workers:
            worker.finish()
            worker.take()
        go_on(ours, lane)
        for worker in workers:
            worker.take()
    assert new.number in workers[0].began + workers[1].began
    assert lane.queues.size > 10, "many others are still there"
    ours.settle(lane)
    assert outcome_of(new).value == 0


def test_nothing_is_taken_back_for_a_slot_that_has_a_call(ours: World) -> None:
    lane = ours.lane()
    one, other = running(ours, lane, 2, 4 * LONG)
    calls(lane, 4)
    go_on(ours, lane)
    before = len(one.shift.todo) + len(other.shift.todo)
    for _ in range(3):
        lane.tick()
        ours.loop.turn(8)
    assert len(one.shift.todo) + len(other.shift.todo) == before == 4
    ours.settle(lane)


def test_behind_a_call_that_takes_far_longer_than_others_none_waits(ours: World) -> None:
    lane = ours.lane()
    [worker] = running(ours, lane, 1, 4 * LONG)
    calls(lane, 2)
    go_on(ours, lane)
    worker.take()
    assert len(worker.shift.todo) == 1
    for _ in range(4):
        ours.time.pass_by(2 * LONG)
        ours.loop.turn(8)
        assert len(worker.shift.todo) == 1
    for _ in range(2):
        ours.time.pass_by(2 * LONG)
        ours.loop.turn(8)
    assert not worker.shift.todo
    lane.go()
    assert lane.queues.size == 1, "it goes to the next slot that there is"
    ours.settle(lane)


def test_shifts_that_are_busy_with_something_long_do_not_count_for_short_calls(ours: World) -> None:
    lane = ours.lane()
    [worker] = running(ours, lane, 1, 0.0)
    ours.scheduler.add_worker()
    long = call_of("long", operator.abs, 1)
    lane.submit(long)
    go_on(ours, lane)
    worker.take()
    calls(lane, 1)
    for _ in range(3):  # it is sent behind that, and handed back
        go_on(ours, lane)
        ours.time.pass_by(2 * LONG)
    assert len(ours.scheduler.tasks) == 2, "the other worker has time"
    ours.settle(lane)
