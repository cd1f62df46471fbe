"""What was begun is finished before anything else is begun: of many units of work, the first ones are done early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.dflow import DataFlowKernel
from tests.lanes.fakes import World, take_threads_from

UNITS, PARTS, WORKERS = 30, 3, 2


def unit(*_: Any) -> int:
    return 1


def part(*_: Any) -> int:
    return 1


def whole(*parts: int) -> int:
    return sum(parts)


def round_of(world: World, lane: Any) -> None:
    """All workers run one call, and everybody hears of it."""
    for _ in range(4):
        lane.go()
        world.loop.turn(8)
        while world.scheduler.hear():
            pass
    for worker in list(world.scheduler.workers.values()):
        world.scheduler.assign(worker)
        worker.begin()
        worker.take()
    world.time.pass_by(0.1)
    for worker in list(world.scheduler.workers.values()):
        worker.finish()
        worker.take()


@pytest.mark.parametrize(("share", "least"), [(0.25, 5), (0.5, 11), (0.75, 18)])
def test_units_are_done_as_the_time_goes_by(share: float, least: int, tmp_path: Path) -> None:
    with World() as world:
        executor = world.executor()
        config = Config(executors=[executor], run_dir=str(tmp_path), strategy="none", initialize_logging=False)
        kernel = DataFlowKernel(config, disable_cleanup=True)
        take_threads_from(kernel)
        for _ in range(WORKERS):
            world.scheduler.add_worker()
        lane: Any = executor.lane
        lane.queues.mean_of = lambda name: 0.1
        lasts = []
        for _ in range(UNITS):
            first = kernel.submit(unit)
            lasts.append(kernel.submit(whole, app_args=[kernel.submit(part, app_args=(first,)) for _ in range(PARTS)]))
        rounds = UNITS * (PARTS + 2) / WORKERS
        for _ in range(round(share * rounds)):
            round_of(world, lane)
        round_of(world, lane)  # the last reports
        assert sum(last.done() for last in lasts) >= least, f"of {UNITS} units, with {share:.0%} of the time gone"
        for _ in range(5):
            world.settle(lane)
        assert [last.result(0) for last in lasts] == [PARTS] * UNITS
        lane.closing = True
        kernel.cleanup()
