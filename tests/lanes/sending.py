"""What tests of lanes share: calls whose run time is known, and workers whose shifts wait for them."""

from __future__ import annotations

import operator
from typing import Any

from parsl_on_dask.lanes.call import Call
from parsl_on_dask.remote.packing import loads
from tests.lanes.fakes import Worker, World, call_of, outcome_of


def calls(lane: Any, count: int, function: Any = operator.neg, **spec: Any) -> list[Call]:
    made = [call_of("app", function, i, **spec) for i in range(count)]
    for call in made:
        lane.submit(call)
    return made


def know(lane: Any, seconds: float, call: Call | None = None) -> None:
    """Let the lane know how long calls of the function take."""
    one = call_of("app", operator.neg, 1)
    lane.packer.pack(one)
    lane.queues.learn(one, seconds, kept=False)


def groups(world: World) -> list[int]:
    """How many calls each Dask task of the world begins with."""
    return [len(loads(task.data)["calls"]) for task in world.scheduler.tasks.values()]


def hear(world: World, lane: Any, times: int = 6) -> None:
    """What was sent and told arrives; no worker does anything."""
    for _ in range(times):
        world.loop.turn(8)
        while world.scheduler.hear():
            pass
        lane.go()


def linked(world: World, lane: Any) -> Worker:
    """A worker to which the lane has a direct connection, and whose shift waits for more."""
    worker = world.scheduler.add_worker()
    [call] = calls(lane, 1)
    lane.go()
    world.scheduler.assign(worker)
    worker.begin()
    worker.take()
    worker.finish()
    worker.take()
    hear(world, lane)
    assert next(iter(lane.open_shifts.values())).open and outcome_of(call).value == 0
    return worker


def running(world: World, lane: Any, workers: int, seconds: float) -> list[Any]:
    """Workers with a connection, whose shifts wait for calls that take so long."""
    made = [world.scheduler.add_worker() for _ in range(workers)]
    calls(lane, workers)
    lane.go()
    for worker in made:
        world.scheduler.assign(worker)
        worker.begin()
    hear(world, lane)
    for worker in made:
        worker.take()
        worker.finish()
        worker.take()
    world.loop.turn(8)
    lane.go()
    lane.queues.times.clear()
    know(lane, seconds)
    lane.queues.learn = lambda *_: None
    assert all(shift.open and not shift.calls for shift in lane.shifts.values())
    return made


def go_on(world: World, lane: Any) -> None:
    """Let what was sent be there, and what was told be heard."""
    for _ in range(3):
        world.loop.turn(8)
        lane.go()
