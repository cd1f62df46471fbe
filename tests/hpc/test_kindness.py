"""What a real Slurm sees of a script in trouble: few jobs, few questions, and none on bad nodes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.clusters import governor
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.jobs.states import JobState
from tests.helpers import WAIT, eventually, hold
from tests.hpc.blocks import executor, here
from tests.hpc.slurm import Slurm

Load = Callable[..., Any]


def states(one: Any) -> dict[str, JobState]:
    return {block: status.state for block, status in one.status().items()}


def accounting(slurm: Slurm) -> None:
    if "onejob" not in slurm.call("sacctmgr", "-n", "-P", "show", "qos", "format=name", check=False):
        pytest.skip("this Slurm has no QOS 'onejob'")


@pytest.mark.parametrize("qos", ["one", "onejob"])
def test_a_limit_of_one_job_makes_no_failed_blocks(
    slurm: Slurm, run_slurm: Load, monkeypatch: pytest.MonkeyPatch, qos: str, tmp_path: Path, gate: str
) -> None:
    """With "one" the second job waits in Slurm's queue, with "onejob" Slurm refuses it for as long as there is one."""
    accounting(slurm)
    monkeypatch.setattr(governor, "FULL", (1.0, 4.0))
    one = executor(qos=qos, init_blocks=2, max_blocks=3, workers=1, cores_per_node=1)
    run_slurm(one, strategy="simple")
    held = [parsl.python_app(hold)(str(tmp_path / f"s{i}"), gate, i) for i in range(6)]
    eventually((tmp_path / "s0").exists, "the one job works", WAIT)
    time.sleep(10)
    seen = states(one)
    assert list(seen.values()).count(JobState.RUNNING) == 1
    assert set(seen.values()) == {JobState.RUNNING, JobState.PENDING} and len(seen) == 3
    if qos == "onejob":
        assert len(slurm.jobs()) == 1
        assert "QOSMaxSubmitJobPerUserLimit" in str(one.status())
    Path(gate).touch()
    assert [f.result(2 * WAIT) for f in held] == list(range(6))
    assert not one.bad_state_is_set and JobState.FAILED not in states(one).values()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"account": "nobody"}, "nvalid account"),
        ({"partition": "nowhere"}, "nvalid partition"),
        ({"qos": "nothing"}, "nvalid qos"),
    ],
    ids=["account", "partition", "qos"],
)
def test_a_real_refusal_ends_at_once_with_slurms_words(
    slurm: Slurm, run_slurm: Load, options: dict[str, str], words: str
) -> None:
    accounting(slurm)
    one = executor(init_blocks=3, max_blocks=3, **options)
    run_slurm(one, strategy="simple")
    with pytest.raises(ExecutorError, match=words):
        parsl.python_app(here)().result(WAIT)
    assert one.bad_state_is_set and len(states(one)) <= 4
    assert not slurm.jobs()


@pytest.fixture
def bad_node(tmp_path: Path) -> str:
    """Shell text that fails on one node, the first one that Slurm gives."""
    mark = tmp_path / "bad"
    return (
        f'[ -e {mark} ] || echo "$SLURMD_NODENAME" >{mark}\n'
        f'[ "$(cat {mark})" != "$SLURMD_NODENAME" ] || {{ echo "no disk here" >&2; exit 9; }}'
    )


def test_a_node_that_fails_worker_init_is_left_out(
    slurm: Slurm, run_slurm: Load, bad_node: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = executor(init_blocks=1, max_blocks=1, workers=1, worker_init=bad_node)
    run_slurm(one, strategy="simple")
    found = parsl.python_app(here)().result(2 * WAIT)
    bad = (tmp_path / "bad").read_text().strip()
    assert found[1] != bad
    assert f"--exclude={bad}" in slurm.script(found[0])
    assert f"node {bad} is avoided" in caplog.text
    assert [s.message for s in one.status().values() if not s.terminal and f"{bad} is left out" in str(s.message)]
    failed = [s for s in one.status().values() if s.terminal]
    assert len(failed) == 2 and all(s.exit_code == 9 and "no disk here" in s.stderr for s in failed)


def test_a_drained_node_is_no_trouble(slurm: Slurm, run_slurm: Load) -> None:
    """Blocks wait while all nodes drain, and come when these are back; nothing fails."""
    nodes = [f"node{i}" for i in range(1, 5)]
    for name in nodes:
        slurm.node(name, "DRAIN")
    one = executor(init_blocks=1, max_blocks=2)
    run_slurm(one, strategy="simple")
    future = parsl.python_app(here)()
    eventually(lambda: len(slurm.jobs()) >= 1, "a job waits", WAIT)
    time.sleep(3)
    assert set(states(one).values()) == {JobState.PENDING} and not future.done()
    slurm.resume_all()
    assert future.result(2 * WAIT)
    assert set(states(one).values()) <= {JobState.PENDING, JobState.RUNNING}


@pytest.fixture
def controller(slurm: Slurm) -> Iterator[Callable[[str], None]]:
    """A function that stops or starts slurmctld, where this Slurm was started by ci/slurm/up."""
    directory = Path(slurm.conf).parent
    daemons = directory / "daemons"
    if not daemons.exists():
        pytest.skip("this Slurm was not started by ci/slurm/up")

    def pid() -> int:
        return next(
            int(n) for n, name in (line.split() for line in daemons.read_text().splitlines()) if name == "slurmctld"
        )

    def runs() -> bool:
        return subprocess.run(["scontrol", "ping"], capture_output=True, timeout=60).stdout.count(b"is UP") > 0

    def do(what: str) -> None:
        if what == "stop":
            os.kill(pid(), signal.SIGTERM)
            eventually(lambda: not runs(), "the controller is away", WAIT)
            return
        old = pid()
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
        # as ci/slurm/up starts it: nobody's child, and nothing of this session in its environment
        new = subprocess.run(
            ["bash", "-c", 'setsid slurmctld -D </dev/null >>"$0" 2>&1 & echo $!', directory / "log" / "slurmctld.out"],
            env={"SLURM_CONF": slurm.conf, "PATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        daemons.write_text(daemons.read_text().replace(f"{old} slurmctld", f"{new} slurmctld"))
        eventually(runs, "the controller is back", WAIT)

    yield do
    if not runs():
        do("start")


def test_a_controller_that_restarts(
    slurm: Slurm, run_slurm: Load, controller: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The only block is asked for while the controller is away: it waits, and comes when the controller is back."""
    one = executor(init_blocks=0, max_blocks=1)
    run_slurm(one, strategy="simple")
    controller("stop")
    future = parsl.python_app(here)()
    told = eventually(lambda: [s.message for s in one.status().values() if s.message], "its status tells", WAIT)
    assert "does not answer" in told[0]
    assert list(states(one).values()) == [JobState.PENDING] and not one.bad_state_is_set
    controller("start")
    assert future.result(2 * WAIT)
    assert list(states(one).values()) == [JobState.RUNNING]


def test_squeue_is_asked_rarely(slurm: Slurm, run_slurm: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.hpc.test_trouble import fake

    fake(tmp_path / "bin", "squeue", f'echo "$*" >>{tmp_path}/asked\nexec "$REAL" "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    executors = [executor(label, init_blocks=1, max_blocks=1, workers=1, cores_per_node=1) for label in ("a", "b")]
    run_slurm(*executors, strategy="simple")
    work = [parsl.python_app(here, executors=[label])(0.2) for label in ("a", "b") for _ in range(10)]
    assert all(f.result(WAIT) for f in work)
    time.sleep(20)
    assert len((tmp_path / "asked").read_text().splitlines()) <= 3
    assert [set(states(one).values()) for one in executors] == [{JobState.RUNNING}] * 2


def test_a_node_on_which_calls_fail_is_left_out(
    slurm: Slurm, run_slurm: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two blocks on two nodes; on one of them every call fails, until it gets none any more."""
    one = executor(init_blocks=2, max_blocks=2, workers=1, cores_per_node=4)
    run_slurm(one, strategy="simple", retries=0)
    eventually(lambda: len(one.connected_blocks()) == 2, "two blocks have workers", WAIT)
    bad = slurm.taken()[0]
    assert len(slurm.taken()) == 2

    @parsl.python_app
    def picky(bad: str) -> str:
        import os
        import time

        time.sleep(0.1)
        here = os.environ["SLURMD_NODENAME"]
        if here == bad:
            raise OSError("no licence on this node")
        return here

    def worked() -> bool:
        for future in [picky(bad) for _ in range(10)]:  # a block that nobody needs would not be replaced
            future.exception(WAIT)
        return True

    def moved() -> bool:
        return worked() and len(slurm.taken()) == 2 and bad not in slurm.taken()

    eventually(lambda: worked() and f"node {bad} is avoided" in caplog.text, "the node is blamed", WAIT)
    eventually(moved, "its block has moved", 2 * WAIT)
    assert {f.result(WAIT) for f in [picky(bad) for _ in range(20)]}.isdisjoint({bad})
