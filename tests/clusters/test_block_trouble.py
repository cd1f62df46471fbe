"""Jobs that go wrong, and providers that do."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import parsl_on_dask as parsl
from parsl_on_dask.clusters import blocks, governor
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors.errors import BadStateException
from parsl_on_dask.jobs.error_handlers import TooManyJobFailuresError
from parsl_on_dask.jobs.states import JobState, JobStatus
from tests.clusters.test_blocks import Start, seen, start, where
from tests.helpers import Script, eventually

__all__ = ["start"]


def test_a_failing_worker_init(start: Start) -> None:
    kernel, executor, _ = start("simple", provider={"worker_init": "echo module not found >&2; exit 3"})
    with pytest.raises(BadStateException) as raised:
        kernel.submit(where).result(60)
    for word in ("EXIT CODE: 3", "module not found"):
        assert word in str(raised.value)
    assert executor.bad_state_is_set
    with pytest.raises(TooManyJobFailuresError, match="module not found"):
        kernel.submit(where).result(60)


def test_a_rejected_submission(start: Start) -> None:
    kernel, executor, _ = start(provider={"refuse": "sbatch: error: invalid partition specified: nope"})
    with pytest.raises(BadStateException, match="invalid partition specified: nope"):
        kernel.submit(where).result(60)
    assert "invalid partition" in str(executor.executor_exception)


def test_a_rejected_block_among_others(start: Start) -> None:
    kernel, executor, jobs = start()
    assert seen(kernel)
    jobs.refuse = "sbatch: error: Invalid qos specification"
    executor.scale_out_facade(1)
    failed = eventually(lambda: executor.status()["1"].terminal and executor.status()["1"], "it was refused")
    assert failed.state is JobState.FAILED
    assert "Invalid qos" in failed.message
    assert seen(kernel)


@pytest.mark.parametrize("blocks", [0, 1], ids=["the only block", "another block"])
@pytest.mark.parametrize(
    "said",
    [
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: QOSMaxSubmitJobPerUserLimit",
    ],
    ids=["no answer", "full"],
)
def test_submissions_that_fail_for_now(start: Start, monkeypatch: pytest.MonkeyPatch, said: str, blocks: int) -> None:
    monkeypatch.setattr(governor, "NO_ANSWER", (0.5, 2.0))
    monkeypatch.setattr(governor, "FULL", (0.5, 2.0))
    kernel, executor, jobs = start(provider={"init_blocks": blocks})
    assert not blocks or seen(kernel)
    jobs.refuse = said
    executor.scale_out_facade(1)
    waiting = kernel.submit(where)
    new = str(blocks)
    told = eventually(lambda: executor.status()[new].message, "its status says that it is tried again")
    assert said in told and "not asked for before" in told
    time.sleep(2)
    assert executor.status()[new].state is JobState.PENDING and not executor.bad_state_is_set
    assert len(executor.status()) == blocks + 1, "it is the same block that waits"
    jobs.refuse = None
    eventually(lambda: executor.status()[new].state is JobState.RUNNING, "it has come", 60)
    assert waiting.result(60) and executor.status()[new].message is None


def test_a_block_that_is_held_back_is_given_back(start: Start) -> None:
    kernel, executor, jobs = start(provider={"init_blocks": 0})
    jobs.refuse = "sbatch: error: QOSMaxSubmitJobPerUserLimit"
    executor.scale_out_facade(2)
    eventually(lambda: executor.status()["0"].message, "they wait")
    assert executor.scale_in(1) == ["1"]
    assert executor.status()["1"].state is JobState.SCALED_IN
    kernel.cleanup()
    assert {s.state for s in executor.status().values()} == {JobState.SCALED_IN} and not jobs.resources


def test_blocks_that_die_young_slow_down_the_next_ones(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Ten at a time may be asked for, and all of them die: that is not done again and again."""
    kernel, executor, jobs = start(
        "simple",
        provider={"worker_init": "exit 1", "init_blocks": 0, "max_blocks": 4},
        block_error_handler=False,
        max_workers_per_node=1,
    )
    waiting = [kernel.submit(where) for _ in range(8)]
    eventually(lambda: len(jobs.resources) >= 5, "one more is tried after a pause", 60)
    told = eventually(lambda: [s.message for s in executor.status().values() if "not asked" in str(s.message)], "")
    assert "failed early" in told[0] and "exit code 1" in told[0]
    assert "asked for in 5 s, and later ones more and more slowly" in caplog.text
    assert len(jobs.resources) <= 6
    jobs.worker_init = ""
    assert [f.result(120) for f in waiting]


def test_ones_own_error_handler(start: Start) -> None:
    told: list[dict[str, JobStatus]] = []
    kernel, executor, jobs = start(
        provider={"worker_init": "exit 1"}, block_error_handler=lambda executor, status: told.append(status)
    )
    state = eventually(lambda: [s["0"] for s in told if s["0"].terminal], "the handler was told")[0]
    assert (state.state, state.exit_code) == (JobState.MISSING, 1)
    assert not executor.bad_state_is_set
    jobs.worker_init = ""
    executor.scale_out_facade(1)
    assert kernel.submit(where).result(60)[0] == "1"


def test_jobs_that_die_at_once_are_not_submitted_in_haste(start: Start) -> None:
    kernel, _, jobs = start(
        "simple",
        provider={"worker_init": "exit 1", "init_blocks": 0, "max_blocks": 1},
        config={"strategy_period": 2.0},
        block_error_handler=False,
    )
    waiting = kernel.submit(where)
    began = time.monotonic()
    eventually(lambda: len(jobs.resources) >= 2, "it goes on trying", 60)
    assert time.monotonic() - began > 4
    jobs.worker_init = ""
    assert waiting.result(60)


def test_a_queue_that_never_starts_jobs(start: Start) -> None:
    kernel, executor, jobs = start("simple", provider={"hold": True, "max_blocks": 3})
    waiting = [kernel.submit(where) for _ in range(50)]
    eventually(lambda: len(jobs.resources) == 3, "as many blocks as there may be")
    time.sleep(2)
    assert len(jobs.resources) == 3
    assert {s.state for s in executor.status().values()} == {JobState.PENDING}
    jobs.run("1002")
    assert {f.result(60)[0] for f in waiting} <= set("012")


def test_pending_blocks_are_given_back_when_idle(start: Start) -> None:
    _, executor, jobs = start("simple", provider={"hold": True})
    eventually(lambda: executor.status()["0"].state is JobState.SCALED_IN, "it was given back")
    eventually(lambda: jobs.left() == [], "its job is cancelled")


def test_bursts(start: Start) -> None:
    kernel, _, jobs = start("simple", provider={"init_blocks": 0, "max_blocks": 2}, max_workers_per_node=1)
    for _ in range(2):
        assert [f.exception(60) for f in [kernel.submit(time.sleep, 0.05) for _ in range(100)]] == [None] * 100
    assert len(jobs.resources) <= 2, "blocks stay between bursts"
    eventually(lambda: jobs.left() == [], "idle blocks are given back", 60)
    assert kernel.submit(where).result(60)
    assert len(jobs.resources) == 3


def test_a_provider_that_fails_and_is_slow(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    kernel, executor, jobs = start()
    assert seen(kernel)
    jobs.status_error = OSError("squeue: error: Unable to contact slurm controller")
    eventually(lambda: "Unable to contact slurm controller" in caplog.text, "a warning")
    assert executor.status()["0"].state is JobState.RUNNING
    assert seen(kernel)
    jobs.status_error, jobs.status_delay = None, 3.0
    assert kernel.submit(where).result(60)
    assert executor.status()["0"].state is JobState.RUNNING
    jobs.status_delay = 0.0


def test_the_scheduler_dies(start: Start) -> None:
    kernel, executor, jobs = start()
    assert seen(kernel)
    waiting = kernel.submit(time.sleep, 60)
    hub = psutil.Process(executor.lane.cluster.scheduler.supervisor.process.pid)
    for process in hub.children():
        process.kill()
    with pytest.raises(ExecutorError, match="scheduler"):
        waiting.result(60)
    eventually(lambda: jobs.left() == [], "the job ends by itself")


SCRIPT = """
import os, sys, time
import parsl_on_dask as parsl
from parsl_on_dask.executors import HighThroughputExecutor
from tests.clusters.jobs import ShellProvider

@parsl.bash_app
def sleeper():
    return "sleep 300"

@parsl.python_app
def pid():
    import os
    return os.getpid()

class Recording(ShellProvider):
    def cancel(self, job_ids):
        with open("cancelled", "a") as file:
            print(*job_ids, file=file)
        return super().cancel([i for i in job_ids if i in self.resources])

    def __getstate__(self):
        return {**self.__dict__, "resources": {}}

jobs = Recording(init_blocks=2, nodes_per_block=2)
executor = HighThroughputExecutor(label="hpc", provider=jobs, max_workers_per_node=1, address="127.0.0.1")
parsl.load(parsl.Config(executors=[executor]))
print("pid", pid().result(), flush=True)
sleeper()
print("ready", flush=True)
time.sleep(300) if sys.argv[1] == "wait" else sys.exit(1 / 0 if sys.argv[1] == "raise" else 0)
"""


@pytest.mark.parametrize("way", ["kill", "ctrl-c", "raise", "exit"])
def test_however_a_script_ends_its_jobs_end(script: Any, way: str) -> None:
    root = str(Path(parsl.__file__).parent.parent)
    run: Script = script(SCRIPT, "wait" if way in ("kill", "ctrl-c") else way, env={"PYTHONPATH": root})
    run.said("ready")
    if way in ("kill", "ctrl-c"):
        run.signal(signal.SIGKILL if way == "kill" else signal.SIGINT)
    run.ends(60)
    eventually(lambda: not run.leftovers(), "every process has ended")
    assert not list(run.directory.rglob("nodes")), "keys are left behind"
    if way == "kill":
        cancelled = eventually((run.directory / "cancelled").exists, "the jobs were cancelled")
        assert cancelled
        assert (run.directory / "cancelled").read_text().split() == ["1000", "1001"]


@pytest.mark.parametrize("keys", ["keys are left", "nothing is left"])
def test_a_job_that_starts_after_its_script_was_killed_ends(
    keys: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LATE", 1)
    kernel, executor, jobs = start(provider={"hold": True})
    eventually(lambda: jobs.resources, "the job waits")
    orders = Path(executor.run_dir, "hpc", "nodes", "block-0.json")
    spec = orders.read_text()
    kernel.cleanup()
    if keys == "keys are left":
        orders.parent.mkdir()
        orders.write_text(spec)
    jobs.resources["1000"]["cancelled"] = False
    jobs.run("1000")
    eventually(lambda: jobs.resources["1000"]["process"].poll() == 1, "it ends by itself", 60)
    said = Path(f"{jobs.resources['1000']['path']}.err").read_text()
    if keys == "keys are left":
        assert "no Dask scheduler answers at tls://127.0.0.1" in said
    else:
        assert (
            "block-0.json is not there, and did not come within 1 s. The script that asked for this job has ended"
            in said
        )
