"""How much goes where: exactly as much as may, also where jobs end, a worker is preferred, or something is full."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.executors.high_throughput.manager_selector import BlockIdManagerSelector
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.lanes.dispatch import CALLING
from parsl_on_dask.lanes.links import Link
from parsl_on_dask.lanes.queues import ALONE, LONG, TARGET
from parsl_on_dask.lanes.shift import Shift
from parsl_on_dask.lanes.stages import PREPARE, SUBMIT, Stage
from parsl_on_dask.remote.packing import Promise, loads
from tests.lanes.fakes import RAN, World, call_of, outcome_of
from tests.lanes.sending import calls, go_on, groups, know, running


@pytest.fixture
def ours() -> Iterator[World]:
    with World() as world:
        yield world


def shift_of(lane: Any, *names: str, address: str = "a") -> Shift:
    """An open shift with calls of these apps."""
    shift = Shift(str(len(lane.shifts)), "app", True)
    link: Any = Link(address)
    link.ready = True
    shift.started, shift.link = True, link
    for number, name in enumerate(names, 10**6):
        call = call_of(name)
        call.function_key = name
        shift.calls[number] = call
    lane.shifts[shift.id] = lane.open_shifts[shift.id] = shift
    return shift


def lasts(lane: Any, name: str, seconds: float) -> None:
    call = call_of(name)
    call.function_key = name
    lane.queues.learn(call, seconds, kept=False)


def waiting(lane: Any, count: int) -> Any:
    """Calls that wait, and are not sent; returns the key of their queue."""
    for call in [call_of("app", operator.neg, number) for number in range(count)]:
        lane.packer.pack(call)
        call.step(SUBMIT)
        lane.queues.add(call)
    return next(iter(lane.queues.waiting))


def sent_to(lane: Any) -> list[Any]:
    """What is sent by connections from now on, instead of being sent: address and message."""
    sent: list[Any] = []
    lane.links.send = lambda link, message: sent.append((link.address, loads(message)))
    return sent


# -- where jobs end -----------------------------------------------------------------------------------------------


def ending(world: World, lane: Any, *seconds: float) -> list[str]:
    """The addresses of new workers whose jobs end in so many seconds; 0.0 for none."""
    made = [world.scheduler.add_worker().address for _ in seconds]
    for address, left in zip(made, seconds, strict=True):
        if left:
            lane.ends.heard(address, address, (left, left, left + 10))
    lane.ends.tick()
    world.loop.turn(4)
    lane.go()
    return made


def places(world: World) -> list[Any]:
    return [task.workers for task in world.scheduler.tasks.values()]


def test_a_slot_that_takes_no_more_calls_does_not_count(ours: World) -> None:
    lane = ours.lane()
    leaving, _ = ending(ours, lane, 1.0, 0.0)
    ours.time.pass_by(1.5)
    lane.ends.tick()
    assert lane.ends.drains(leaving)
    know(lane, 0.001)
    calls(lane, 40)
    lane.go()
    assert len(groups(ours)) == 1


def test_what_is_still_on_a_worker_that_leaves_does_not_count_either(ours: World) -> None:
    lane = ours.lane()
    leaving, _ = ending(ours, lane, 1.0, 0.0)
    ours.time.pass_by(1.5)
    lane.ends.tick()
    shift_of(lane, "neg", address=leaving)
    know(lane, 0.001)
    calls(lane, 40)
    lane.go()
    assert len(groups(ours)) == 1 and len(lane.open_shifts) == 2


def test_tasks_on_a_worker_that_leaves_hold_up_no_others() -> None:
    with World(ours=False) as world:
        lane = world.lane()
        leaving, goes_on = ending(world, lane, 1.0, 0.0)
        world.time.pass_by(1.5)
        lane.ends.tick()
        for _ in range(3):
            shift = shift_of(lane, "neg", address=leaving)
            del lane.open_shifts[shift.id]
        for _ in range(8):
            calls(lane, 1)
            lane.go()
        assert places(world) == [[goes_on]] * 4, "two for the slot that takes calls, and two more"


def test_long_calls_go_to_the_workers_that_have_the_time_and_nothing_to_do(ours: World) -> None:
    lane = ours.lane()
    know(lane, 60.0)
    short, first, second = ending(ours, lane, 20.0, 80.0, 90.0)
    calls(lane, 3)
    lane.go()
    assert places(ours) == [[second], [first]], "at once; the third has to wait for one of them"
    assert lane.queues.size == 1 and not lane.open_shifts
    assert not any(short in place for place in places(ours))
    assert [loads(task.data)["need"] > 60.0 for task in ours.scheduler.tasks.values()] == [True, True]


def test_in_flight_holds_for_those_that_go_to_one_worker(ours: World) -> None:
    lane = ours.lane(in_flight=1)
    know(lane, 60.0)
    ending(ours, lane, 20.0, 80.0, 90.0)
    calls(lane, 3)
    lane.go()
    assert len(places(ours)) == 1


@pytest.mark.parametrize("seconds", [60.0, 0.5, 0.0])
def test_a_call_that_has_the_time_nowhere_is_not_sent_while_a_block_comes(ours: World, seconds: float) -> None:
    lane = ours.lane()
    lane.cluster.status = lambda: {"1": SimpleNamespace(state=JobState.PENDING)}
    ending(ours, lane, 1.0, 1.0)
    ours.time.pass_by(1.5)
    lane.ends.length = 100.0
    if seconds:
        know(lane, seconds)
    lane.ends.tick()
    calls(lane, 3)
    lane.go()
    assert not groups(ours) and lane.queues.size == 3


def test_short_calls_go_to_shifts_that_have_the_time(ours: World) -> None:
    lane = ours.lane()
    know(lane, 0.01)
    leaving, goes_on = ending(ours, lane, 1.0, 0.0)
    ours.time.pass_by(1.5)
    lane.ends.tick()
    shift_of(lane, address=leaving)
    staying = shift_of(lane, address=goes_on)
    calls(lane, 1)
    lane.go()
    assert len(staying.calls) == 1 and not groups(ours)


# -- grants, values ----------------------------------------------------------------------------------------------


def test_calls_that_share_what_the_first_was_granted_are_one_task(ours: World) -> None:
    ours.scheduler.add_worker()
    lane = ours.lane()
    calls(lane, 3, grant=1)
    calls(lane, 2, grant=2)
    lane.go()
    assert groups(ours) == [3, 2] and not lane.open_shifts
    for number in range(3, 9):
        calls(lane, 2, grant=number)
    lane.go()
    assert groups(ours) == [3, 2, 2, 2], "two for each slot, and two more"


def test_calls_on_one_value_share_a_task(ours: World) -> None:
    ours.scheduler.add_worker()
    lane = ours.lane(inline_limit=100)
    whole = call_of("text", operator.mul, b"x", 1000)
    lane.submit(whole)
    ours.settle(lane, 5)
    value = outcome_of(whole).value
    before = len(groups(ours))
    made = [call_of("len", len, value) for _ in range(4)]
    for call in made:
        call.refs = (value,)
    one = call_of("len", len, b"")
    lane.packer.pack(one)
    lane.queues.learn(one, 0.001, kept=False)
    for call in made:
        lane.submit(call)
    lane.queues.portion = lambda key, workers: 4
    lane.go()
    assert groups(ours)[before:] == [4]
    [shift] = [shift for shift in lane.shifts.values() if shift.calls]
    assert shift.id not in lane.open_shifts, "a task that depends on the value takes nothing more"
    ours.settle(lane)
    assert [outcome_of(call).value for call in made] == [1000] * 4


@pytest.mark.parametrize("is_ours", [True, False])
def test_no_more_tasks_of_unknown_calls_than_keep_the_workers_busy(is_ours: bool) -> None:
    with World(ours=is_ours) as world:
        world.scheduler.add_worker()
        lane = world.lane()
        for _ in range(8):
            calls(lane, 1)
            lane.go()
        assert groups(world) == [1] * (1 if is_ours else 4)
        assert bool(lane.open_shifts) is is_ours


# -- shifts ------------------------------------------------------------------------------------------------------


def test_a_shift_that_waits_makes_way_only_where_no_slot_is_idle(ours: World) -> None:
    lane = ours.lane()
    running(ours, lane, 1, 100 * ALONE)
    ours.scheduler.add_worker()
    [shift] = lane.shifts.values()
    calls(lane, 1)
    lane.go()
    assert len(groups(ours)) == 2 and not shift.stuck
    calls(lane, 20)
    for _ in range(2):
        lane.go()
    assert len(groups(ours)) == 1 + 6, "beside the shift, two for each slot, and two more"
    assert shift.stuck


def test_a_shift_that_waits_does_not_make_way_for_what_may_not_be_sent(ours: World) -> None:
    lane = ours.lane(in_flight=1)
    running(ours, lane, 1, 100 * ALONE)
    [shift] = lane.shifts.values()
    other = shift_of(lane, "neg")
    del lane.open_shifts[other.id]
    calls(lane, 1)
    lane.go()
    assert not shift.stuck and len(groups(ours)) == 1


def test_more_workers_are_shown_to_be_of_use_from_a_backlog_on() -> None:
    for count, expected in ((70, 2), (110, 4)):
        with World(ours=False) as world:
            for _ in range(2):
                world.scheduler.add_worker()
            lane = world.lane()
            know(lane, 0.04)
            calls(lane, count)
            lane.go()
            assert len(groups(world)) == expected


def test_one_more_shift_for_each_that_is_busy_with_something_long(ours: World) -> None:
    for _ in range(20):
        ours.scheduler.add_worker()
    lane = ours.lane()
    know(lane, 0.01)
    lasts(lane, "short", 0.01)
    lasts(lane, "long", 2 * LONG)
    key = waiting(lane, 1)  # worth three shifts
    shifts = [shift_of(lane) for _ in range(4)]

    def may_open() -> bool:
        return bool(lane.dispatcher._may_open(key, 20, 0))

    def give(shift: Shift, name: str) -> None:
        call = call_of(name)
        call.function_key = name
        shift.calls = {1: call}

    assert lane.dispatcher._spread(key, 20) == 4
    assert not may_open()
    give(shifts[0], "long")
    assert not may_open()
    give(shifts[1], "short")
    assert not may_open()
    give(shifts[1], "unknown")
    assert may_open()
    shifts[1].started = False
    assert not may_open(), "it has not begun, and may begin soon"
    shifts[2].next = 7
    assert may_open()
    shifts[2].next, shifts[3].stuck = 0, True
    assert may_open()


def test_items_that_are_to_become_calls_are_work(ours: World) -> None:
    lane = ours.lane()
    know(lane, 0.01)
    key = waiting(lane, 1)
    for _ in range(9):
        lane.later("app", print, 1)
    assert lane.dispatcher._work(key) == pytest.approx((1 + 9) * (0.01 + CALLING))
    lane.steps.clear()


def test_the_shift_with_the_fewest_calls_is_given_more_up_to_a_limit(ours: World) -> None:
    lane = ours.lane()
    know(lane, 0.04)
    key = waiting(lane, 1)
    room = lane.dispatcher._room
    full = shift_of(lane, *["neg"] * 5)
    assert room(key, 10, None) is full, f"up to {2 * TARGET} s of work"
    fewer = shift_of(lane, *["neg"] * 3)
    assert room(key, 10, None) is fewer
    full.calls.popitem()
    assert room(key, 2, None) is fewer, "fewer than twice what it would be given"
    fewer.calls[9] = call_of("neg")
    assert room(key, 2, None) is None
    for shift in (full, fewer):
        shift.calls = {number: call_of("neg") for number in range(6)}
    assert room(key, 10, None) is None


def test_behind_a_long_call_of_unknown_run_time_no_other_one_waits(ours: World) -> None:
    lane = ours.lane()
    [worker] = running(ours, lane, 1, 4 * LONG)
    unknown = call_of("abs", operator.abs, 1)
    lane.submit(unknown)
    go_on(ours, lane)
    assert worker.take()
    calls(lane, 1)
    go_on(ours, lane)
    assert not worker.shift.todo and lane.queues.size == 1


def test_as_many_calls_are_taken_back_as_slots_are_idle(ours: World) -> None:
    lane = ours.lane()
    for _ in range(6):
        ours.scheduler.add_worker()
    sent = sent_to(lane)
    shifts = [shift_of(lane, "long", "long", address=str(number)) for number in range(6)]
    for number, shift in enumerate(shifts):
        shift.next = 1
        lane.dispatcher.next[shift.id] = shift
        assert lane.dispatcher.next and number < 6
    lane.dispatcher.idle["gone"] = Shift("gone", "app", True)
    lane.dispatcher.dispatch()
    assert not sent, "no slot is idle"
    shifts[0].next = 0  # it has begun that call
    shifts[1].over = True
    shifts[4].calls, shifts[5].calls = {}, {}
    lane.dispatcher.ended(shifts[5])
    lane.dispatcher.dispatch()
    assert [address for address, _ in sent] == ["2", "3"]
    assert all(message == (shift.id, {}, None, 0.0) for shift, (_, message) in zip(shifts[2:4], sent, strict=True))
    assert list(lane.dispatcher.next) == [shifts[4].id]


# -- calls that go ahead -----------------------------------------------------------------------------------------


def ahead_of(lane: Any, *leaders: Any) -> Any:
    call = call_of("add", max, *[Promise(leader.number) for leader in leaders], 1)
    call.stage = Stage.WAITING
    lane.prepare(call)
    call.step(PREPARE)
    assert lane.follow(call, leaders)
    return call


def test_one_whose_leader_runs_already_is_sent_after_it(ours: World) -> None:
    lane = ours.lane()
    [worker] = running(ours, lane, 1, 0.001)
    [leader] = calls(lane, 1)
    go_on(ours, lane)
    assert worker.take()
    follower = ahead_of(lane, leader)
    go_on(ours, lane)
    assert follower.stage is Stage.AHEAD_SENT and len(worker.shift.todo) == 1
    worker.finish()
    worker.take()
    worker.finish()
    worker.take()
    go_on(ours, lane)
    assert [number for _, number, _ in RAN][-2:] == [leader.number, follower.number]
    assert outcome_of(leader).value == 0 and follower.stage is Stage.EARLY


@pytest.mark.parametrize(("seconds", "most"), [(0.0, 16), (LONG, 4), (1.01 * LONG, 0)])
def test_no_more_wait_in_a_shift_than_it_is_worth(ours: World, seconds: float, most: int) -> None:
    lane = ours.lane()
    sent = sent_to(lane)
    if seconds:
        one = call_of("add", max, 1)
        lane.packer.pack(one)
        lane.queues.learn(one, seconds, kept=False)
    for there, goes in ((most, False), (most - 1, True)):
        if there < 0:
            continue
        shift = shift_of(lane, *["neg"] * there)
        leader = call_of("neg")
        leader.number, leader.shift = 10**6 + there, shift
        follower = ahead_of(lane, leader)
        lane.go()
        assert (follower.stage is Stage.AHEAD_SENT) is goes
        assert len(shift.calls) == there + goes
    assert len(sent) == (most > 0)


def test_one_goes_nowhere_whose_leaders_are_in_several_places_or_in_none(ours: World) -> None:
    lane = ours.lane()
    sent = sent_to(lane)
    here, there, closed = shift_of(lane), shift_of(lane), shift_of(lane)
    closed.over = True
    for where in ((here, there), (None,), (here, None), (closed,)):
        leaders = [call_of("neg", number=10**6 + number) for number, _ in enumerate(where)]
        for leader, shift in zip(leaders, where, strict=True):
            leader.shift = shift
        follower = ahead_of(lane, *leaders)
        lane.go()
        assert follower.stage is Stage.AHEAD and follower.shift is None
    assert not sent and not here.calls


# -- a worker that is preferred ----------------------------------------------------------------------------------


def test_the_worker_that_the_selector_prefers_gets_the_call(ours: World) -> None:
    lane = ours.lane(manager_selector=BlockIdManagerSelector())
    first, second = (ours.scheduler.add_worker() for _ in range(2))
    first.block, second.block = "1", "0"  # type: ignore[attr-defined]
    workers = lane.cluster.workers
    lane.cluster.workers = lambda: [
        {**worker, "block": found.block}
        for worker, found in zip(workers(), ours.scheduler.workers.values(), strict=True)
    ]
    calls(lane, 1)
    lane.go()
    calls(lane, 1)
    lane.go()
    assert places(ours) == [[first.address], [second.address]]
    assert all(task.others for task in ours.scheduler.tasks.values()), "one that has gone is not waited for"
    calls(lane, 1, workers=[second.address])
    lane.go()
    assert places(ours)[2] == [second.address]
    for worker in (first, second):
        ours.scheduler.assign(worker)
        worker.begin()
        worker.take()
        worker.finish()
        worker.take()
    for _ in range(3):
        go_on(ours, lane)
        while ours.scheduler.hear():
            pass
    lane.queues.times.clear()
    know(lane, 0.001)
    before = len(groups(ours))
    calls(lane, 1)
    lane.go()
    assert len(groups(ours)) == before
    [fed] = [shift for shift in lane.open_shifts.values() if shift.calls]
    assert fed.link is not None and fed.link.address == first.address
