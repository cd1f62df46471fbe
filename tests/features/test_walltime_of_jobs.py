"""Batch jobs end: workers know when, take no calls that cannot finish, and leave; calls that are cut off run again."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask
from parsl_on_dask import python_app
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.providers import LocalProvider
from tests import interpreters
from tests.helpers import WAIT, append, eventually, hold, text_of

OPTIONS = {"initialize_logging": False}
#: Seconds that most jobs of these tests last.
LIFE = 12.0


@pytest.fixture(scope="module")
def config_name() -> str:
    """Blocks of local processes stand for jobs: the test kills them when their time is up."""
    return "processes"


class Jobs:
    """Blocks that end after a time which they know."""

    def __init__(self, kernel: Any, executor: Any, variables: Path) -> None:
        self.kernel = kernel
        self.executor = executor
        self.variables = variables
        self.killers: list[threading.Timer] = []

    def start(self, life: float | None = None, drain: float | None = None) -> str:
        """One more block, which is killed after `life` seconds; returns its id."""
        told = {"PARSL_ON_DASK_JOB_END": life, "PARSL_ON_DASK_DRAIN": drain}
        lines = [f"export {name}={time.time() + value}\n" for name, value in told.items() if value is not None]
        self.variables.write_text("".join(lines))
        (block,) = self.executor.scale_out_facade(1)
        if life is not None:
            self.killers.append(threading.Timer(life, self.kill, (block,)))
            self.killers[-1].daemon = True
            self.killers[-1].start()
        return str(block)

    def kill(self, block: str) -> None:
        """End all processes of a block at once."""
        running = self.executor.lane.cluster.blocks.get(block)
        if running is not None and running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGKILL)

    def workers(self) -> set[str]:
        """The blocks that have workers."""
        return {str(worker["block"]) for worker in self.executor.lane.workers()}


@pytest.fixture
def jobs(load: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Jobs]]:
    """A function that loads an executor without blocks; keywords go to its constructor."""
    made: list[Jobs] = []

    def make(retries: int = 0, workers: int = 1, **options: Any) -> Jobs:
        variables = tmp_path / "variables"
        variables.touch()
        provider = LocalProvider(init_blocks=0, min_blocks=0, max_blocks=20, worker_init=f". {variables}")
        executor = HighThroughputExecutor(label="jobs", max_workers_per_node=workers, provider=provider, **options)
        made.append(Jobs(load(executors=[executor], retries=retries, **OPTIONS), executor, variables))
        return made[-1]

    yield make
    for one in made:
        for killer in one.killers:
            killer.cancel()


@python_app
def work(path: str, i: int, seconds: float) -> str:
    """Note the beginning and the end."""
    import os
    import time

    block = os.environ["PARSL_WORKER_BLOCK_ID"]
    with open(path + ".begun", "a") as file:
        file.write(f"{i}\n")
    time.sleep(seconds)
    with open(path + ".ended", "a") as file:
        file.write(f"{i}\n")
    return block


@python_app
def length(value: bytes) -> int:
    return len(value)


def made(path: str, n: int) -> bytes:
    append(path)
    return b"x" * n


def runs(path: str) -> Counter[int]:
    return Counter(map(int, text_of(path + ".begun").split()))


def test_no_call_is_cut_off_when_run_times_are_known(jobs: Callable[..., Jobs], tmp_path: Path) -> None:
    """A campaign longer than any job: each call runs once, and no worker is there when its job ends."""
    here = jobs()
    path = str(tmp_path / "log")
    here.start(LIFE)
    futures = [work(path, i, 0.5) for i in range(40)]
    eventually(lambda: futures[3].done(), "calls run", WAIT)
    here.start(LIFE)
    eventually(lambda: not here.workers() & {"0"}, "the first job's worker has left", WAIT)
    block = here.executor.lane.cluster.blocks["0"]
    assert block.process.poll() is None, "it left before its job was killed"
    here.start(3 * LIFE)
    assert {f.result(WAIT) for f in futures} >= {"0", "1"}
    assert runs(path) == dict.fromkeys(range(40), 1)


def test_a_long_call_waits_for_a_job_that_has_the_time(jobs: Callable[..., Jobs], tmp_path: Path) -> None:
    """Short ones go on where it has not."""
    here = jobs()
    here.executor.lane.scaled = True  # as the scaler would
    path = str(tmp_path / "log")
    end = time.monotonic() + 20.0
    here.start(20.0)
    assert work(path, 0, 4.0).result(WAIT) == "0"
    # the last two seconds of a job are not used, so that three are left: too few for another 4.0
    time.sleep(max(0.0, end - 5.0 - time.monotonic()))
    long = work(path, 1, 4.0)
    assert here.kernel.submit(append, path + ".short").result(WAIT) is None
    time.sleep(1.0)
    assert not runs(path)[1], "it could not have ended"
    assert here.executor.outstanding() == 1, "scaling sees it"
    here.start(60.0)
    assert long.result(WAIT) == "1"
    assert runs(path) == {0: 1, 1: 1}


def test_a_call_that_is_cut_off_runs_again_and_costs_no_retry(jobs: Callable[..., Jobs], tmp_path: Path) -> None:
    here = jobs()
    path, started, gate = (str(tmp_path / name) for name in ("log", "started", "gate"))

    def held(path: str, started: str, gate: str) -> str:
        append(path)
        return str(hold(started, gate, "done"))

    here.start(10.0)
    future = here.kernel.submit(held, path, started, gate)
    eventually(lambda: text_of(path) == "x", "it runs", WAIT)
    here.start()
    eventually(lambda: text_of(path) == "xx", "it runs again", WAIT)
    open(gate, "w").close()
    assert future.result(WAIT) == "done"
    assert future.task_record["fail_count"] == 0
    assert future.task_record["try_id"] == 0


@pytest.mark.parametrize("most", [0, 1])
def test_not_for_ever(jobs: Callable[..., Jobs], tmp_path: Path, caplog: pytest.LogCaptureFixture, most: int) -> None:
    """A call that needs more than any job has fails in the end, and a warning tells why."""
    caplog.set_level(logging.WARNING, "parsl.lanes.jobends")
    here = jobs(job_end_reruns=most)
    path = str(tmp_path / "log")
    here.start(10.0)
    futures = [work(path, 0, 600.0)]
    eventually(lambda: runs(path)[0] == 1, "it runs", WAIT)
    for _ in range(most):
        eventually(lambda: not here.workers(), "the job has ended", WAIT)
        here.start(10.0)
    error = futures[0].exception(WAIT)
    assert isinstance(error, WorkerLost)
    assert "its job ended" in str(error) and f"job_end_reruns={most}" in str(error)
    assert futures[0].task_record["fail_count"] == 1
    assert runs(path) == {0: most + 1}
    warnings = [r for r in caplog.records if "need more time than the jobs" in r.getMessage()]
    assert len(warnings) == 1, "once"
    assert "walltime" in warnings[0].getMessage() and "app work" in warnings[0].getMessage()


def test_a_loss_long_before_the_end_is_a_failed_try(jobs: Callable[..., Jobs], tmp_path: Path) -> None:
    here = jobs()
    path = str(tmp_path / "log")
    block = here.start(600.0)
    future = work(path, 0, 600.0)
    eventually(lambda: runs(path)[0] == 1, "it runs", WAIT)
    here.kill(block)
    error = future.exception(WAIT)
    assert isinstance(error, WorkerLost)
    assert "job ended" not in str(error)
    assert "block 0" in str(error), str(error)
    assert runs(path) == {0: 1}


def test_values_move_off_in_time(jobs: Callable[..., Jobs], tmp_path: Path) -> None:
    """What a worker holds is had from another one after the end of its job, without being made again."""
    here = jobs()
    path = str(tmp_path / "made")
    here.start(LIFE)
    values = [here.kernel.submit(made, path, 1_000_000) for _ in range(5)]
    eventually(lambda: all(v.done() for v in values), "they are made", WAIT)
    here.start()
    eventually(lambda: here.workers() == {"1"}, "the first worker has left", WAIT)
    assert [length(v).result(WAIT) for v in values] == [1_000_000] * 5
    assert [len(v.result()) for v in values] == [1_000_000] * 5
    assert text_of(path) == "x" * 5, "made again"


def test_a_running_call_may_use_its_time(jobs: Callable[..., Jobs], tmp_path: Path) -> None:
    """A worker that takes no more calls ends the one that it runs; what was given to it meanwhile goes elsewhere."""
    here = jobs()
    started, gate, path = str(tmp_path / "started"), str(tmp_path / "gate"), str(tmp_path / "log")
    here.start(drain=15.0)
    running = here.kernel.submit(hold, started, gate, "held")
    eventually(lambda: os.path.exists(started), "it runs", WAIT)
    behind = [work(path, i, 0.0) for i in range(4)]
    eventually(here.executor.lane.ends.leaving_blocks, "it takes no more calls", WAIT)
    here.start()
    assert {f.result(WAIT) for f in behind} == {"1"}
    assert not running.done()
    open(gate, "w").close()
    assert running.result(WAIT) == "held"
    eventually(lambda: here.workers() == {"1"}, "then it leaves", WAIT)


def test_short_calls_go_on_until_shortly_before_the_end(jobs: Callable[..., Jobs], tmp_path: Path) -> None:
    """A stream of calls over jobs that end one after the other: none is lost, none runs twice."""
    here = jobs(workers=2)
    path = str(tmp_path / "log")
    for life in (LIFE, 1.5 * LIFE, None):
        here.start(life)
    number = 0
    futures: list[Any] = []
    began = time.monotonic()
    while time.monotonic() - began < 1.6 * LIFE:
        futures += [work(path, number + i, 0.01) for i in range(50)]
        number += 50
        futures[-1].result(WAIT)
    assert len({f.result(WAIT) for f in futures}) > 1
    assert runs(path) == dict.fromkeys(range(number), 1)


def test_a_worker_without_time_for_what_waits_makes_room(jobs: Callable[..., Jobs], tmp_path: Path) -> None:
    """Where there is scaling, a block that can do nothing more for anybody is not kept until its end."""
    here = jobs()
    here.executor.lane.scaled = True
    path = str(tmp_path / "log")
    here.start(300.0)
    assert work(path, 0, 0.0).result(WAIT) == "0"
    key = next(iter(here.executor.lane.queues.times))
    here.executor.lane.ends.length = 600.0
    here.executor.lane.queues.at_least(key, 400.0)
    waiting = work(path, 1, 0.0)
    eventually(lambda: not here.workers(), "it has left", WAIT)
    assert not waiting.done()
    here.start()
    assert waiting.result(WAIT) == "1"


def test_on_a_cluster_of_somebody_else(load: Callable[..., Any], existing_cluster: str, tmp_path: Path) -> None:
    """Slurm's own variable counts. The worker is left alone; our calls go elsewhere in time, and so do our values."""
    from parsl_on_dask.executors import DaskExecutor

    end = time.time() + 25.0
    command = [sys.executable, "-m", "distributed.cli.dask_worker", existing_cluster, "--no-nanny", "--no-dashboard"]
    options = ["--name", "ends", "--nthreads", "1", "--host", "127.0.0.1", "--resources", "ends=9"]
    package = str(Path(parsl_on_dask.__file__).parent.parent)
    environment = {**os.environ, "SLURM_JOB_END_TIME": f"{end:.0f}", "PYTHONPATH": package}
    with open(tmp_path / "worker.log", "wb") as log:
        process = interpreters.Popen([*command, *options], cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        executor = DaskExecutor(existing_cluster, label="theirs")
        kernel = load(executors=[executor], **OPTIONS)
        lane = executor.lane
        assert lane is not None
        eventually(lambda: any(w["name"] == "ends" for w in lane.workers()), "the worker has joined", WAIT)

        def where(path: str, i: int, seconds: float) -> Any:
            from distributed import get_worker

            append(f"{path}.begun", f"{i}\n")
            time.sleep(seconds)
            return get_worker().name

        path = str(tmp_path / "log")
        there = {"resources": {"ends": 1}}
        values = [executor.submit(made, there, path, 10**6) for _ in range(6)]
        # more than can be done on an idle machine before the end
        names = [kernel.submit(where, path, i, 0.4) for i in range(220)]
        eventually(lambda: lane.ends.places, "it has told of its end", WAIT)
        time.sleep(max(0.0, end - 0.5 - time.time()))
        assert any(w["name"] == "ends" for w in lane.workers()), "it was left alone"
        process.kill()
        assert [len(v.result(WAIT)) for v in values] == [10**6] * 6
        found = [f.result(WAIT) for f in names]
        assert "ends" in found[:100] and "ends" not in found[-6:]
        assert set(runs(path).values()) == {1}
        assert text_of(path) == "x" * 6, "made again"
    finally:
        process.kill()
        process.wait()
