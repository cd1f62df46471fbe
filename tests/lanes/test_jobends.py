"""Workers whose jobs end: which calls still go there, and what becomes of those that are cut off. With a set clock."""

from __future__ import annotations

import asyncio
import logging
import operator
import pickle
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.clusters.bootstrap import KEY_MARK
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.lanes import jobends
from parsl_on_dask.lanes.jobends import Where
from parsl_on_dask.lanes.queues import SPARE
from tests.lanes.fakes import World, call_of, outcome_of


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        for _ in range(2):
            world.scheduler.add_worker()
        yield world


def addresses(world: World) -> list[str]:
    return list(world.scheduler.workers)


def known(lane: Any, seconds: float) -> Any:
    """A call of a function that takes so long."""
    call = call_of("app", operator.neg, 1)
    lane.packer.pack(call)
    lane.queues.learn(call, seconds, kept=False)
    return call


def ends(lane: Any, address: str, stop: float, last: float, end: float) -> None:
    """A worker tells of the end of its job, and the lane looks at who is there."""
    lane.ends.heard(address, address, (stop, last, end))
    look(lane)


def look(lane: Any) -> None:
    lane.ends.tick()
    lane.client.loop.turn(4)
    lane.go()


def test_as_long_as_every_worker_has_time_for_every_call_nothing_is_asked(world: World) -> None:
    lane = world.lane()
    known(lane, 10.0)
    ends(lane, addresses(world)[0], 500.0, 550.0, 600.0)
    assert not lane.ends.any_soon
    lane.ends.heard(addresses(world)[1], "w", (2.0, 10.0 * SPARE, 20.0))
    assert lane.ends.any_soon, "at once"


@pytest.mark.parametrize(
    ("stop", "last", "soon"),
    [
        (jobends.AHEAD, 500.0, False),
        (jobends.AHEAD - 0.1, 500.0, True),
        (400.0, 11.1 + jobends.AHEAD, False),
        (400.0, 10.9 + jobends.AHEAD, True),
    ],
)
def test_calls_are_looked_after_a_little_before_one_has_too_little_time(
    world: World, stop: float, last: float, soon: bool
) -> None:
    lane = world.lane()
    known(lane, 10.0)
    lane.ends.heard(addresses(world)[0], "w", (stop, last, 600.0))
    assert lane.ends.any_soon is soon


def test_calls_that_were_cut_off_once_are_looked_after_the_same_way(world: World) -> None:
    lane = world.lane()
    call = known(lane, 10.0)
    lane.live[call.number] = call
    assert lane.ends.need_of(call) == pytest.approx(10.0 * SPARE)
    lane.ends.cut[call.number] = (1, 50.0)
    assert lane.ends.need_of(call) == pytest.approx(50.0 * SPARE)
    lane.ends.heard(addresses(world)[0], "w", (400.0, 50.0 * SPARE + jobends.AHEAD + 0.1, 600.0))
    assert not lane.ends.any_soon
    lane.ends.heard(addresses(world)[0], "w", (400.0, 50.0 * SPARE + jobends.AHEAD - 0.1, 600.0))
    assert lane.ends.any_soon and lane.ends.cut
    lane.live.clear()
    lane.ends.tick()
    assert not lane.ends.cut


def test_long_calls_are_looked_after_earlier(world: World) -> None:
    lane = world.lane()
    known(lane, 100.0)
    ends(lane, addresses(world)[0], 100.0 * SPARE + 0.1, 100.0 * SPARE + 0.1, 200.0)
    assert lane.ends.any_soon


def test_calls_go_where_they_have_the_time(world: World) -> None:
    lane = world.lane()
    short, long = addresses(world)
    ends(lane, short, 20.0, 30.0, 40.0)
    ends(lane, long, 90.0, 100.0, 110.0)
    known(lane, 60.0)
    look(lane)
    assert lane.ends.where_for(5.0) is None, "anywhere"
    assert lane.ends.where_for(60.0) == Where([long], False)
    assert lane.ends.fits(short, 30.0, world.time.now)
    assert not lane.ends.fits(short, 30.1, world.time.now)
    for seconds, there in ((39.0, [short, long]), (0.9 * jobends.FRESH, [short, long]), (0.2 * jobends.FRESH, None)):
        lane.ends.places[short].end = lane.ends.places[long].end._replace(last=world.time.now + seconds)
        world.time.pass_by(0.0 if there and seconds > 1 else seconds)
        assert lane.ends.where_for(38.0) == (None if there else Where([long], False))
    world.time.now = 1000.0
    ends(lane, short, 20.0, 30.0, 40.0)
    world.time.pass_by(21.0)
    assert not lane.ends.fits(short, 0.0, world.time.now), "it takes nothing more"
    assert lane.ends.fits("another", 1e9, world.time.now)


def test_those_with_the_most_time_left_come_first(world: World) -> None:
    lane = world.lane()
    first, second = addresses(world)
    third = world.scheduler.add_worker().address
    ends(lane, first, 40.0, 40.0, 50.0)
    ends(lane, second, 80.0, 80.0, 90.0)
    ends(lane, third, 2.0, 2.0, 9.0)
    assert lane.ends.where_for(10.0) == Where([second, first], False)


def test_a_call_that_has_the_time_nowhere_waits_for_a_block_or_is_tried_all_the_same(world: World) -> None:
    lane = world.lane()
    for address in addresses(world):
        ends(lane, address, 20.0, 20.0, 30.0)
    known(lane, 19.0)
    look(lane)
    assert lane.ends.where_for(25.0) == Where(addresses(world), True), "no job is long enough"
    world.time.pass_by(10.0)
    assert lane.ends.where_for(15.0) == Where(addresses(world), True), "no other block comes"
    lane.cluster.status = lambda: {"1": SimpleNamespace(state=JobState.PENDING)}
    look(lane)
    assert lane.ends.where_for(15.0) == Where([], False), "a block comes that may have the time"


def test_a_worker_that_is_about_to_end_takes_no_more_calls(world: World) -> None:
    lane = world.lane()
    address, other = addresses(world)
    ends(lane, address, 1.0, 1.0, 10.0)
    assert not lane.ends.drains(address)
    world.time.pass_by(1.5)
    assert lane.ends.drains(address) and not lane.ends.drains(other)
    look(lane)
    assert lane.ends.places[address].leaving
    assert lane.ends.leaving_blocks() == set(), "the block's other worker goes on"
    lane.cluster.block_of = lambda name: name
    assert lane.ends.leaving_blocks() == {world.scheduler.workers[address].name}
    assert lane.ends.without_leaving(2) == (1, 0, 0)
    assert [w["draining"] for w in lane.workers()] == [True, False]


def test_what_the_batch_system_says_counts_for_more(world: World) -> None:
    lane = world.lane()
    address = addresses(world)[0]
    ends(lane, address, 500.0, 550.0, 600.0)
    lane.ends.told([(address, "w")], 30.0)
    assert lane.ends.any_soon and lane.ends.places[address].end.end == world.time.now + 30.0
    look(lane)
    assert lane.ends.places[address].leaving
    ends(lane, address, 500.0, 550.0, 600.0)
    assert lane.ends.places[address].leaving and lane.ends.drains(address)


def test_a_worker_that_goes_on_after_its_end_is_as_any_other(world: World) -> None:
    lane = world.lane()
    address = addresses(world)[0]
    ends(lane, address, 1.0, 2.0, 3.0)
    world.time.pass_by(2.9 + jobends.EXTENDED)
    look(lane)
    assert address in lane.ends.places
    world.time.pass_by(0.2)
    look(lane)
    assert address not in lane.ends.places


def test_workers_that_have_gone_are_forgotten(world: World) -> None:
    lane = world.lane()
    worker = next(iter(world.scheduler.workers.values()))
    ends(lane, worker.address, 1.0, 2.0, 3.0)
    world.scheduler.lose(worker)
    look(lane)
    assert not lane.ends.places
    look(lane)
    assert not lane.ends.any_soon


def test_a_worker_in_a_job_without_end_has_no_place(world: World) -> None:
    lane = world.lane()
    address = addresses(world)[0]
    lane.ends.heard(address, "w", (1.0, 2.0, 3.0))
    lane.ends.heard(address, "w", ())
    assert not lane.ends.places


def cut_off(world: World, reruns: int) -> tuple[Any, Any]:
    """A lane, and a call that its worker's job ended under."""
    lane = world.lane(job_end_reruns=reruns)
    call = call_of("app", operator.neg, 1)
    lane.submit(call)
    lane.go()
    strike(world, lane)
    return lane, call


def strike(world: World, lane: Any) -> None:
    """A worker begins the call, and its job ends."""
    worker = next(iter(world.scheduler.workers.values()))
    world.scheduler.assign(worker)
    worker.begin()
    worker.take()
    for _ in range(4):
        world.loop.turn(4)
        world.scheduler.hear()
        lane.go()
    lane.ends.heard(worker.address, worker.name, (1.0, 3.0, 4.0))
    world.time.pass_by(3.5)
    world.scheduler.lose(worker)
    while world.scheduler.hear():
        lane.go()
    lane.go()


def test_a_call_that_is_cut_off_runs_again_uncharged(world: World) -> None:
    lane, call = cut_off(world, 10)
    assert not call.owner and call.uncharged == 1
    assert lane.ends.cut[call.number] == (1, pytest.approx(3.5))
    assert lane.ends.need_of(call) == pytest.approx(3.5 * SPARE)
    world.settle(lane)
    assert outcome_of(call).value == -1


def test_not_more_often_than_it_may(world: World) -> None:
    _, call = cut_off(world, 0)
    with pytest.raises(WorkerLost, match="its job ended, and job_end_reruns=0"):
        raise outcome_of(call).error or AssertionError
    lane, call = cut_off(world, 1)
    assert not call.owner
    lane.go()
    world.scheduler.add_worker()
    lane.ends.any_soon = False
    lane.dispatcher.dispatch()
    strike(world, lane)
    with pytest.raises(WorkerLost, match="as it has 1 times before under this call: job_end_reruns=1"):
        raise outcome_of(call).error or AssertionError


def test_a_loss_long_before_the_end_is_no_cutting_off(world: World) -> None:
    lane = world.lane()
    address = addresses(world)[0]
    lane.ends.heard(address, "w", (90.0, 100.0, 110.0))
    batch = SimpleNamespace(link=SimpleNamespace(address=address))
    assert not lane.ends.cut_off(batch)
    world.time.pass_by(89.0)
    assert not lane.ends.cut_off(batch)
    world.time.pass_by(1.5)
    assert lane.ends.cut_off(batch)
    assert not lane.ends.cut_off(SimpleNamespace(link=None))


def test_calls_that_no_job_is_long_enough_for_are_told_of_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "parsl.lanes.jobends")
    logging.getLogger("parsl").setLevel(logging.DEBUG)
    for _ in range(2):
        cut_off(world, 10)
    assert "seem to need more time than the jobs of executor fake have (3 s, as far as seen)" in caplog.text


def test_how_often_and_how_long_a_call_was_cut_off_is_known(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "parsl.lanes.jobends")
    lane = world.lane(job_end_reruns=2)
    call = known(lane, 0.001)
    lane.ends.length = 3.0
    alone, together = ({1: call}, {1: call, 2: call})

    def cut(seconds: float, running: bool, calls: Any) -> str:
        shift = SimpleNamespace(since=world.time.now - seconds, calls=calls, worker="w")
        return str(lane.ends.again(call, shift, running))

    assert cut(2.3, True, together) == ""
    assert lane.ends.cut == {call.number: (1, pytest.approx(2.3))} and "more time than" not in caplog.text
    assert cut(2.5, False, together) == "", "nobody knows how long it ran, if at all"
    assert lane.ends.cut == {call.number: (2, pytest.approx(2.3))}
    assert "it has 2 times before" in cut(2.5, False, alone) and not lane.ends.cut
    assert caplog.text.count("more time than") == 1, "nearly as long as a whole job"
    assert cut(2.5, False, alone) == ""
    assert caplog.text.count("more time than") == 1


def test_where_a_worker_was_is_known_until_its_calls_are_seen_to(world: World) -> None:
    lane = world.lane()
    worker = next(iter(world.scheduler.workers.values()))
    ends(lane, worker.address, 1.0, 2.0, 3.0)
    link = SimpleNamespace(address=worker.address)
    shift = SimpleNamespace(link=link, started=True, calls={1: 1}, place="", over=False, future=None)
    lane.shifts["b"] = shift
    world.scheduler.lose(worker)
    look(lane)
    assert lane.ends.places
    del lane.shifts["b"]
    look(lane)
    assert not lane.ends.places


def test_a_worker_with_free_hands_is_found(world: World) -> None:
    lane = world.lane()
    first, second = addresses(world)
    ends(lane, first, 1.0, 2.0, 3.0)
    where = Where([first, second], False)
    assert lane.ends.free(where) == first
    for number, place in enumerate((first, second)):
        lane.shifts[str(number)] = SimpleNamespace(started=False, calls={1: 1}, link=None, place=place, future=None)
        assert lane.ends.free(where) == (second if place == first else "")
    link = SimpleNamespace(address=second)
    lane.shifts = {"0": SimpleNamespace(started=True, calls={1: 1}, link=link, place="", future=None)}
    assert lane.ends.free(Where([second], False)) == ""
    lane.ends.present[second] = ("w", 2)
    assert lane.ends.free(Where([second], False)) == second, "it has another slot"
    lane.shifts["1"] = SimpleNamespace(started=False, calls={1: 1}, link=None, place=second, future=None)
    assert lane.ends.free(Where([second], False)) == ""
    lane.shifts["0"].calls = {}
    assert lane.ends.free(Where([second], False)) == second
    lane.shifts["1"].started = True  # and what that is told with is not here yet
    lane.ends.present[second] = ("w", 1)
    assert lane.ends.free(Where([second], False)) == second


USES = ["none", "is not scaled", "is theirs", "does not renew", "nothing waits", "is busy", "fits", "no job is long"]


@pytest.mark.parametrize("use", USES)
def test_a_worker_of_no_use_makes_room_for_another_block(world: World, use: str) -> None:
    lane = world.lane()
    lane.scaled = use != "is not scaled"
    lane.cluster.started_here = use != "is theirs"
    lane.cluster.renews = use != "does not renew"
    address, other = addresses(world)
    call = known(lane, 40.0 if use == "fits" else 60.0)
    for each in (address, other):
        ends(lane, each, 50.0, 50.0, 60.0)
    lane.ends.length = 50.0 if use == "no job is long" else 600.0
    if use != "nothing waits":
        lane.queues.add(call)
    if use == "is busy":
        link = SimpleNamespace(address=address)
        lane.shifts["b"] = SimpleNamespace(link=link, started=True, calls={}, place="", over=False, future=None)
    lane.shifts["unlinked"] = SimpleNamespace(link=None, started=False, calls={}, place="", over=False, future=None)
    lane.go = lambda: None  # nothing is sent
    look(lane)
    assert not lane.ends.places[address].leaving
    world.time.pass_by(jobends.USELESS + 1 if use != "fits" else 1.0)
    look(lane)
    assert lane.ends.places[address].leaving is (use == "none")


# -- leaving -----------------------------------------------------------------------------------------------------


class AskedScheduler:
    """What is asked of a scheduler, and what it answers."""

    def __init__(self, lane: Any) -> None:
        self.asked: list[Any] = []
        self.identity = lane.client.scheduler.identity
        self.retires: Any = {"w": 1}
        self.runs: Any = 1
        self.held: list[str] = []
        lane.client.scheduler, lane.client.run = self, self.run

    async def retire_workers(self, **how: Any) -> Any:
        self.asked.append(("retire", how["close_workers"], how["remove"], how["workers"]))
        return self.retires

    async def run(self, _: Any, workers: list[str], on_error: str) -> Any:
        assert on_error == "return"
        self.asked.append("pause")
        if isinstance(self.runs, Exception):
            raise self.runs
        return dict.fromkeys(workers, self.runs)

    async def has_what(self, workers: list[str]) -> Any:
        return {workers[0]: self.held}

    async def replicate(self, **how: Any) -> None:
        self.asked.append(("copy", how["keys"], how["workers"], how["n"], how["delete"]))


def leaving(world: World, lane: Any) -> tuple[str, AskedScheduler]:
    """A worker that takes no more calls, and the scheduler, which has not been asked anything."""
    address = addresses(world)[0]
    scheduler = AskedScheduler(lane)
    lane.ends.heard(address, "w", (1.0, 30.0, 40.0))
    world.time.pass_by(1.5)
    return address, scheduler


def turn(lane: Any) -> None:
    look(lane)
    lane.client.loop.turn(6)


def test_a_worker_leaves_when_its_values_are_elsewhere_and_nothing_runs_on_it(world: World) -> None:
    lane = world.lane()
    address, scheduler = leaving(world, lane)
    scheduler.retires = {}
    turn(lane)
    assert scheduler.asked == [("retire", False, False, [address])], "nobody takes its values"
    scheduler.retires = {"w": 1}
    scheduler.asked.clear()
    turn(lane)
    assert scheduler.asked == [("retire", False, False, [address]), "pause"], "it is busy"
    scheduler.asked.clear()
    for runs in (1, -1, OSError("gone")):
        scheduler.runs = runs
        turn(lane)
    assert scheduler.asked == ["pause"] * 3
    scheduler.asked.clear()
    lane.ends.places[address].going = True  # what was asked of it has no answer yet
    turn(lane)
    assert not scheduler.asked
    lane.ends.places[address].going = False
    scheduler.runs = 0
    turn(lane)
    assert scheduler.asked == ["pause", ("retire", True, True, [address])]
    world.time.pass_by(50.0 + jobends.EXTENDED)
    turn(lane)
    assert lane.ends.places[address].leaving, "one that is to go is not taken for one that goes on"


def test_the_workers_of_others_stay_and_our_values_are_copied() -> None:
    with World(ours=False) as world:
        for _ in range(3):
            world.scheduler.add_worker()
        lane = world.lane()
        _, scheduler = leaving(world, lane)
        _, other, second = addresses(world)
        turn(lane)
        assert not scheduler.asked, "it has nothing of ours"
        scheduler.held = [f"app{KEY_MARK}1", "theirs"]
        turn(lane)
        assert scheduler.asked == [("copy", [f"app{KEY_MARK}1"], [other, second], 1, False)]
        lane.ends.told([(other, "o")], 30.0)
        scheduler.asked.clear()
        turn(lane)
        copies = [workers for what, _, workers, *_ in scheduler.asked if what == "copy"]
        assert copies == [[second]] * 2
        lane.ends.told([(second, "s")], 30.0)
        scheduler.asked.clear()
        turn(lane)
        assert not scheduler.asked, "where should they go?"


def test_a_worker_that_leaves_gives_back_what_it_has_not_begun() -> None:
    def told(running: bool) -> tuple[int, list[Any]]:
        sent: list[Any] = []
        ready = SimpleNamespace(sorted=lambda: [SimpleNamespace(key="a")])
        constrained = SimpleNamespace(sorted=lambda: [SimpleNamespace(key="b")])
        state = SimpleNamespace(
            running=running,
            ready=ready,
            constrained=constrained,
            waiting=[SimpleNamespace(key="c")],
            executing={1, 2},
            long_running={3},
        )
        worker = SimpleNamespace(state=state, batched_send=sent.append)
        pause: Any = pickle.loads(jobends._pause().blob)
        return asyncio.run(pause(dask_worker=worker)), [(message["op"], message["key"]) for message in sent]

    assert told(True) == (-1, [])
    assert told(False) == (3, [("reschedule", "a"), ("reschedule", "b"), ("reschedule", "c")])


def test_of_calls_that_are_cut_off_together_the_one_that_ran_is_charged_with_the_time(world: World) -> None:
    lane = world.lane(job_end_reruns=0)
    known(lane, 0.001)
    calls = [call_of("app", operator.neg, number) for number in range(3)]
    for call in calls:
        lane.submit(call)
    lane.queues.portion = lambda key, workers: 3
    lane.go()
    strike(world, lane)
    with pytest.raises(WorkerLost, match="job_end_reruns=0"):
        raise outcome_of(calls[0]).error or AssertionError
    assert not calls[1].owner and not calls[2].owner
    assert [call.uncharged for call in calls[1:]] == [1, 1]
    assert lane.queues.need_of(calls[1].function_key) == pytest.approx(3.5 * SPARE)
    world.settle(lane)
    assert [outcome_of(call).value for call in calls[1:]] == [-1, -2]
