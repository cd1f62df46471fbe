"""One seed: a workflow is run while something happens to it, and run again, and both are checked."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.chaos import checks, workflow
from tests.chaos.faults import FAULTS, Fault, order_of, send
from tests.helpers import address_in, describe, eventually

HERE = Path(__file__).parent
TAG = "PARSL_ON_DASK_CHAOS"
BOUND = 60.0
"""Seconds in which a run has to end, whatever happened."""
COMING = 10.0
"""Seconds for which a fault waits for the processes that it happens to."""
GONE = 12.0
"""Seconds in which everything that a run has started is gone after its end."""


def tagged(tag: str) -> list[psutil.Process]:
    """Every running process that inherited a tag. Looks at nothing else of a process, since it is asked often."""
    wanted = f"{TAG}={tag}".encode()
    found = []
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            if wanted in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(psutil.Process(pid))
    return found


class Trial:
    """The processes of one seed.

    Parameters
    ----------
    seed, executor, fault
        What the command line says.
    directory : Path
        Where everything of it goes.
    steps : int
        Number of calls.
    linger : float
        Seconds for which executors stay when the script dies.
    """

    def __init__(self, seed: int, executor: str, fault: str, directory: Path, steps: int, linger: float = 0.0) -> None:
        self.seed, self.executor, self.directory = seed, executor, directory
        self.fault: Fault = FAULTS[fault]
        self.rng = random.Random(f"fault {seed}")
        self.tag = uuid.uuid4().hex
        self.cluster: subprocess.Popen[bytes] | None = None
        self.others: list[subprocess.Popen[bytes]] = []
        self.timings: dict[str, float] = {}
        self.code = 0
        self.struck = 0
        self.now, self.hit = directory / "now", directory / "hit"
        for name in ("files", "site", "tmp", "work", "cluster"):
            (directory / name).mkdir(parents=True)
        shutil.copy(HERE / "sabotage.py", directory / "site" / "sitecustomize.py")
        self.plan = workflow.plan_of(seed, directory, executor, steps, linger)
        self.steps = [workflow.Step(**step) for step in self.plan["steps"]]
        self.oracle = workflow.serially(self.steps)

    # -- its processes ------------------------------------------------------------------------------------

    def start_cluster(self) -> None:
        if self.executor != "existing":
            return
        state = self.directory / "cluster" / "state.json"
        state.unlink(missing_ok=True)
        with open(self.directory / "cluster.txt", "ab") as log:
            self.cluster = subprocess.Popen(
                [sys.executable, str(HERE / "existing.py"), str(self.directory / "cluster")],
                cwd=self.directory / "cluster",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.plan["address"] = eventually(lambda: address_in(state), "the scheduler has started", 60)
        eventually(lambda: self.state().get("workers") == 3, "the workers have come", 60)

    def state(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.directory / "cluster" / "state.json").read_text())
            return found
        except (OSError, ValueError):
            return {}

    def start(self, run: int) -> subprocess.Popen[bytes]:
        plan = self.directory / "plan.json"
        plan.write_text(json.dumps(self.plan))
        environment = {
            **os.environ,
            TAG: self.tag,
            workflow.RUN: str(run),
            "TMPDIR": str(self.directory / "tmp"),
            "PYTHONPATH": str(self.directory / "site"),
            "CHAOS_SABOTAGE": "null",
        }
        if run == 0:
            below = [str(self.directory / "runinfo"), str(self.directory / "tmp")]
            environment["CHAOS_SABOTAGE"] = order_of(self.fault, self.seed, below, self.now, self.hit)
        with (
            open(self.directory / f"out-{run}.txt", "wb") as out,
            open(self.directory / f"err-{run}.txt", "wb") as err,
        ):
            return subprocess.Popen(
                [sys.executable, "-m", "parsl_on_dask", str(HERE / "workflow.py"), str(plan)],
                cwd=self.directory / "work",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def start_second(self) -> None:
        self.others.append(self.start(2))

    def processes(self) -> list[psutil.Process]:
        """Every process that may be slowed down."""
        return [self.client, *self.schedulers(), *self.workers(), *self.supervisors()]

    def supervisors(self) -> list[psutil.Process]:
        if self.executor == "existing":
            return []
        found = []
        for process in tagged(self.tag):
            with suppress(psutil.Error):
                if any("clusters.node" in arg or arg.endswith("/start.py") for arg in process.cmdline()):
                    found.append(process)
        pids = {process.pid for process in found}
        return [process for process in found if process.ppid() not in pids]

    def some(self, which: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
        """Some processes, as soon as there are any; none when the script has ended first."""
        deadline = time.monotonic() + COMING
        found = which()
        while not found and time.monotonic() < deadline and self.client.is_running():
            time.sleep(0.02)
            found = which()
        return found

    def residents(self) -> list[psutil.Process]:
        found = []
        for process in tagged(self.tag):
            with suppress(psutil.Error):
                if any("linger.resident" in arg for arg in process.cmdline()):
                    found.append(process)
        return found

    def _forked(self, in_job: bool, scheduler: bool = False) -> list[psutil.Process]:
        """What supervisors have forked, in a batch job or beside the script; the first child is no worker."""
        found = []
        for supervisor in self.supervisors():
            with suppress(psutil.Error):
                own = supervisor.cmdline()
                if any(arg.endswith("/start.py") for arg in own) is in_job:
                    children = [child for child in supervisor.children() if child.cmdline() == own]
                    children.sort(key=lambda process: (process.create_time(), process.pid))
                    found += children[:1] if scheduler else children[1:]
        return found

    def _of_cluster(self, name: str) -> list[psutil.Process]:
        found = []
        for file in (self.directory / "cluster").glob(f"{name}*.pid"):
            with suppress(psutil.Error, ValueError):
                found.append(psutil.Process(int(file.read_text())))
        return found

    def schedulers(self) -> list[psutil.Process]:
        return (
            self._of_cluster("scheduler") if self.executor == "existing" else self._forked(in_job=False, scheduler=True)
        )

    def workers(self) -> list[psutil.Process]:
        return (
            self._of_cluster("worker") if self.executor == "existing" else self._forked(in_job=self.executor == "slurm")
        )

    # -- its course ---------------------------------------------------------------------------------------

    def await_end(self, process: subprocess.Popen[bytes], run: int) -> tuple[int, list[str]]:
        began = time.monotonic()
        try:
            code = process.wait(BOUND)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGUSR1)
            time.sleep(1)
            process.kill()
            process.wait()
            return -9, [f"run {run} stood still; its stacks are in err-{run}.txt"]
        self.timings[f"run {run}"] = time.monotonic() - began
        return code, []

    def gone(self, run: int) -> list[str]:
        wrong = []
        try:
            eventually(lambda: not tagged(self.tag), "gone", GONE)
        except AssertionError:
            left = tagged(self.tag)
            wrong.append(f"processes of run {run} are left: {describe(left)}")
            send(left, signal.SIGKILL)
        if self.executor == "existing" and self.cluster is not None and self.cluster.poll() is None:
            keys = ("tasks", "plugins", "topics", "clients")
            try:
                eventually(lambda: (s := self.state()) and not any(s[key] for key in keys), "empty", GONE)
            except AssertionError:
                wrong += checks.cluster(self.state())
        return wrong

    def run(self) -> list[str]:
        """What was wrong."""
        self.start_cluster()
        wrong = self.first()
        if wrong:
            return wrong
        if self.cluster is not None and self.cluster.poll() is not None:
            self.start_cluster()
        return [f"resumed: {text}" for text in self.again()]

    def first(self) -> list[str]:
        if self.fault.at_start:
            self.now.touch()
        process = self.start(0)
        self.client = psutil.Process(process.pid)
        early = self.rng.random() < 0.2
        if not early:
            log = self.directory / "seen-0.log"
            deadline = time.monotonic() + BOUND
            while not log.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
        time.sleep(self.rng.uniform(0, 0.8))
        ran = process.poll() is None
        if ran or self.fault.twice:
            self.struck = self.fault.act(self, self.rng)
        code, wrong = self.await_end(process, 0)
        if wrong:
            return wrong
        self.code = code
        for other in self.others:
            other_code, other_wrong = self.await_end(other, 2)
            wrong += other_wrong or self.judge(2, other_code, FAULTS["none"])
        return wrong + self.judge(0, code, self.fault, ran)

    def judge(self, run: int, code: int, fault: Fault, ran: bool = True) -> list[str]:
        seen = checks.Seen(self.directory / f"seen-{run}.log")
        stderr = (self.directory / f"err-{run}.txt").read_text(errors="replace")
        cut = fault.client in ("dies", "interrupted")
        fallible = workflow.may_fail(self.steps, self.plan["retries"])
        wrong = checks.ends(seen, code, fault, ran, stderr)
        wrong += checks.values(seen, self.oracle, fallible, fault, self.plan, cut)
        wrong += checks.runs(self.directory / "runs.log", run, seen, self.plan, fault)
        if self.plan["linger"] and run == 1:
            wrong += checks.lives(self.directory / "runs.log", self.plan, self.fault)
        wrong += checks.logs(self.directory, run)
        if self.plan["linger"] and run == 0 and code != 0:  # what stays is for the next run
            return wrong
        wrong += self.gone(run)
        killed = self.fault.kills or min(code, self.code) < 0
        # on threads nobody is left to remove anything but the next run
        if not (killed and self.executor == "threads" and run == 0):
            wrong += checks.rests(self.directory, killed)
        return wrong

    def again(self) -> list[str]:
        before = checks.Seen(self.directory / "seen-0.log")
        code, wrong = self.await_end(self.start(1), 1)
        if wrong:
            return wrong
        wrong = self.judge(1, code, FAULTS["none"])
        if self.fault.records:
            after = checks.Seen(self.directory / "seen-1.log")
            wrong += checks.found(before, after, self.plan, self.code != 0 or self.fault.kills)
        return wrong

    def close(self) -> None:
        """End what is left."""
        send(tagged(self.tag), signal.SIGKILL)
        if self.cluster is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.cluster.pid, signal.SIGKILL)
            self.cluster.wait()


def main(seed: int, executor: str, fault: str, directory: Path, steps: int, linger: float) -> None:
    """Run one seed; what was wrong goes to ``verdict.json``."""
    trial = Trial(seed, executor, fault, directory, steps, linger)
    try:
        wrong = trial.run()
    except BaseException as e:
        wrong = [f"the driver failed: {type(e).__name__}: {e}"]
        raise
    finally:
        trial.close()
        struck = bool(trial.struck) or trial.hit.exists()
        verdict = {"wrong": wrong, "struck": struck, "timings": trial.timings}
        (directory / "verdict.json").write_text(json.dumps(verdict))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]))
