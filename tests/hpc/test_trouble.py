"""Jobs of a real Slurm that go wrong, and batch commands that do."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.jobs.error_handlers import windowed_error_handler
from parsl_on_dask.jobs.states import JobState
from tests.helpers import WAIT, eventually, hold
from tests.hpc.blocks import counted, counts, executor, here
from tests.hpc.slurm import Slurm

Load = Callable[..., Any]


def states(one: Any) -> list[JobState]:
    return [status.state for status in one.status().values()]


def test_a_submission_that_is_refused(slurm: Slurm, run_slurm: Load) -> None:
    one = executor(partition="nowhere")
    run_slurm(one)
    with pytest.raises(ExecutorError, match="nvalid partition"):
        parsl.python_app(here)().result(WAIT)
    assert states(one) == [JobState.FAILED] and one.bad_state_is_set
    assert not slurm.jobs()


def test_a_job_that_is_held_and_released(slurm: Slurm, run_slurm: Load) -> None:
    one = executor(scheduler_options="#SBATCH --hold")
    run_slurm(one)
    future = parsl.python_app(here)()
    eventually(lambda: states(one) == [JobState.HELD], "it is seen to be held", WAIT)
    assert not future.done() and not one.bad_state_is_set
    slurm.call("scontrol", "release", slurm.jobs()[0].id)
    assert future.result(WAIT)


def test_a_pending_job_that_is_cancelled(slurm: Slurm, run_slurm: Load) -> None:
    one = executor(partition="closed")
    run_slurm(one)
    slurm.cancel(slurm.jobs()[0].id)
    # as in Parsl: a block that ended and never had workers is missing, whatever became of its job
    eventually(lambda: states(one) == [JobState.MISSING], "it is seen to have gone", WAIT)


def test_a_running_block_is_cancelled_under_load(slurm: Slurm, run_slurm: Load, tmp_path: Path) -> None:
    """Each call gets to its end once; what was running on the block runs again, the rest does not."""
    one = executor(init_blocks=2, max_blocks=2, nodes_per_block=2)
    run_slurm(one, retries=3)
    eventually(lambda: len(one.connected_managers()) == 4, "all nodes have workers", WAIT)
    work = tmp_path / "work"
    work.mkdir()
    app = parsl.python_app(counted)
    futures = [app(str(work), i, 0.1) for i in range(160)]
    eventually(lambda: len(counts(str(work), "ended")) > 20, "it is under way", WAIT)
    slurm.cancel(slurm.jobs()[0].id)
    assert [f.result(WAIT) for f in futures] == list(range(160))
    ended, began = counts(str(work), "ended"), counts(str(work), "began")
    assert sorted(ended) == list(range(160)) and sum(began.values()) <= 160 + 2 * 4
    assert max(ended.values()) <= 2 and sum(ended.values()) <= 160 + 4
    eventually(lambda: sorted(map(str, states(one))) != ["RUNNING", "RUNNING"], "the loss shows in status()", WAIT)


def test_a_lost_call_names_its_block(slurm: Slurm, run_slurm: Load, tmp_path: Path, gate: str) -> None:
    one = executor(init_blocks=1, htex={"block_error_handler": False})
    run_slurm(one)
    call = parsl.python_app(hold)(str(tmp_path / "started"), gate)
    eventually((tmp_path / "started").exists, "it runs", WAIT)
    for worker in one.lane.workers():  # on this machine, as all virtual nodes are
        os.kill(worker["pid"], signal.SIGKILL)
    with pytest.raises(WorkerLost, match="slurm-block0-"):
        call.result(WAIT)


@pytest.mark.parametrize("option", ["--requeue", "--no-requeue"])
def test_a_node_goes_down(slurm: Slurm, run_slurm: Load, option: str) -> None:
    """Slurm runs the job again on other nodes, as the same block; or, where it must not, another block takes over."""
    one = executor(
        workers=1,
        nodes_per_block=2,
        scheduler_options=f"#SBATCH {option}",
        # to Parsl's own handler an executor whose only block failed is beyond help
        htex={"block_error_handler": option == "--requeue"},
    )
    run_slurm(one, strategy="simple", retries=5)
    where = parsl.python_app(here)
    eventually(lambda: len(one.connected_managers()) == 2, "both nodes have workers", WAIT)
    first = where().result(WAIT)[0]
    before = {worker["pid"] for worker in one.lane.workers()}
    node = slurm.taken()[-1]
    futures = [where(0.3) for _ in range(20)]
    slurm.node(node, "DOWN")
    assert len([f.result(2 * WAIT) for f in futures]) == 20

    def elsewhere() -> tuple[str, str, int] | None:
        found: tuple[str, str, int] = where().result(2 * WAIT)
        return found if found[2] not in before else None

    late = eventually(elsewhere, "calls run on new workers", 2 * WAIT)
    assert late[1] != node
    if option == "--requeue":
        assert late[0] == first and one.connected_blocks() == ["0"]
    else:
        assert late[0] != first and one.connected_blocks() == ["1"]


def test_a_drained_node(slurm: Slurm, run_slurm: Load) -> None:
    """What runs there goes on; new blocks go elsewhere."""
    one = executor(init_blocks=1, max_blocks=2)
    run_slurm(one)
    where = parsl.python_app(here)
    first = where().result(WAIT)
    slurm.node(first[1], "DRAIN")
    assert where().result(WAIT)[:2] == first[:2]
    assert one.scale_out_facade(1) == ["1"]
    eventually(lambda: len(one.connected_blocks()) == 2, "the second block has workers", WAIT)
    seen = {f.result(WAIT)[:2] for f in [where(0.3) for _ in range(16)]}
    assert first[:2] in seen and len({node for _, node in seen}) == 2


def test_out_of_memory(slurm: Slurm, run_slurm: Load) -> None:
    one = executor(mem_per_node=1)
    run_slurm(one)

    @parsl.python_app
    def greedy() -> int:
        import time

        kept = bytearray(1_500_000_000)
        time.sleep(60)
        return len(kept)

    with pytest.raises((WorkerLost, ExecutorError)) as caught:
        greedy().result(WAIT)
    eventually(lambda: states(one)[0] in (JobState.FAILED, JobState.CANCELLED), "the job is seen to have failed", WAIT)
    [status] = one.status().values()
    assert "emory" in f"{status.message} {status.stderr_summary} {caught.value}"


@pytest.mark.parametrize("handler", ["default", "callable", "windowed"])
def test_block_error_handlers(slurm: Slurm, run_slurm: Load, handler: str) -> None:
    seen: list[dict[str, JobState]] = []

    def mine(executor: Any, status: dict[str, Any]) -> None:
        seen.append({block: s.state for block, s in status.items()})

    htex: dict[str, Any] = {
        "default": {},
        "callable": {"block_error_handler": mine},
        "windowed": {"block_error_handler": windowed_error_handler},
    }[handler]
    blocks = 3 if handler == "windowed" else 1
    one = executor(init_blocks=blocks, max_blocks=blocks, worker_init="echo broken >&2; exit 3", htex=htex)
    run_slurm(one)
    eventually(lambda: states(one) == [JobState.MISSING] * blocks, "the blocks failed", WAIT)
    if handler in ("default", "windowed"):
        eventually(lambda: one.bad_state_is_set, "the executor is given up", WAIT)
        assert "broken" in str(one.executor_exception) and "3" in str(one.executor_exception)
    else:
        time.sleep(2)
        assert not one.bad_state_is_set
    if handler == "callable":
        eventually(lambda: {"0": JobState.MISSING} in seen, "the handler is told", WAIT)


def fake(directory: Path, command: str, text: str) -> None:
    """A batch command of ours in front of the real one, which it can reach as $REAL."""
    directory.mkdir(exist_ok=True)
    path = directory / command
    path.write_text(f"#!/bin/bash\nREAL={shutil.which(command)}\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_batch_commands_that_fail_or_hang(
    slurm: Slurm, run_slurm: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workflow goes on; states are those that were known, and right again when the commands are."""
    broken = tmp_path / "broken"
    (tmp_path / "mode").write_text("fine")
    text = f"case $(cat {tmp_path / 'mode'}) in fail) echo slurmctld is away >&2; exit 1;; hang) sleep 60;; esac\n"
    for command in ("squeue", "sacct"):
        fake(tmp_path / "bin", command, text + 'exec "$REAL" "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert not broken.exists()
    one = executor(init_blocks=1, max_blocks=2, cmd_timeout=2)
    run_slurm(one)
    where = parsl.python_app(here)
    first = where().result(WAIT)
    for mode in ("fail", "hang"):
        (tmp_path / "mode").write_text(mode)
        time.sleep(7)
        began = time.monotonic()
        assert [where().result(WAIT) for _ in range(5)] and states(one) == [JobState.RUNNING]
        assert time.monotonic() - began < 20
    (tmp_path / "mode").write_text("fine")
    monkeypatch.undo()
    slurm.cancel(first[0])
    eventually(lambda: states(one) != [JobState.RUNNING], "its end is seen", WAIT)
