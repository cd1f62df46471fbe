"""What the tests ask of a real Slurm: which jobs there are, and that things go wrong."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from typing import Any

from tests.helpers import eventually


@dataclass(frozen=True)
class Job:
    """A job as ``squeue`` shows it; those of an array each for itself."""

    id: str
    name: str
    state: str
    nodes: int
    reason: str


class Slurm:
    """A Slurm that runs, by its commands."""

    def __init__(self, conf: str) -> None:
        self.conf = conf

    def call(self, *words: str, check: bool = True) -> str:
        """What the command prints."""
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(words)}: {done.stderr}")
        return done.stdout

    def jobs(self, *states: str) -> list[Job]:
        """The jobs that wait or run, or those in these states; the oldest first."""
        chosen = ("--states", ",".join(states or ALIVE))
        rows = self.call("squeue", "-h", "-r", "-o", "%i|%j|%T|%D|%r", *chosen).splitlines()
        jobs = [
            Job(i, name, state, int(nodes), reason) for i, name, state, nodes, reason in (r.split("|") for r in rows)
        ]
        return sorted(jobs, key=lambda job: [int(part) for part in job.id.split("_")])

    def running(self, count: int = 1, seconds: float = 60.0) -> list[Job]:
        """Wait until at least so many jobs run."""

        def enough() -> list[Job] | None:
            jobs = self.jobs("RUNNING")
            return jobs if len(jobs) >= count else None

        found: list[Job] = eventually(enough, f"{count} jobs run", seconds)
        return found

    def facts(self, job: str) -> dict[str, str]:
        """What ``scontrol show job`` says, by name."""
        words = self.call("scontrol", "-o", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def script(self, job: str) -> str:
        """The script with which the job was submitted."""
        return self.call("scontrol", "write", "batch_script", job, "-")

    def cancel(self, job: str) -> None:
        """End a job, and wait until it has ended."""
        self.call("scancel", job)
        left = (*ALIVE, "COMPLETING")  # until then its processes may still be there
        eventually(lambda: job not in {j.id for j in self.jobs(*left)}, f"job {job} has ended")

    def hasten(self, job: str) -> None:
        """Have a job begin now that was put back into the queue, where Slurm leaves it for two minutes."""
        eventually(lambda: self.jobs("PENDING"), "the job waits")
        eventually(lambda: not self.jobs("COMPLETING"), "its processes have gone")

        def begun() -> bool:
            facts = self.facts(job)
            # Slurm puts it off once more when the last of its processes has gone; and a node does not begin a job in
            # the second in which it has killed it
            soon = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 2))
            if facts["JobState"] == "PENDING" and facts["StartTime"] > soon:
                self.call("scontrol", "update", f"JobId={job}", "StartTime=now+1", check=False)
            return facts["JobState"] == "RUNNING"

        try:
            eventually(begun, "the job runs again", 100)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.facts(job)}") from None

    def node(self, name: str, state: str) -> None:
        """Take a node away (DOWN), or out of use for new jobs (DRAIN)."""
        self.call("scontrol", "update", f"NodeName={name}", f"State={state}", "Reason=test")

    def resume_all(self) -> None:
        """Every node can be used again."""

        def fresh() -> bool:
            states = dict(
                row.split() for row in self.call("sinfo", "-h", "-N", "-p", "debug", "-o", "%N %T").splitlines()
            )
            bad = [name for name, state in states.items() if state.rstrip("*~$@+-") not in IN_ORDER]
            for name in bad:
                self.call("scontrol", "update", f"NodeName={name}", "State=RESUME", check=False)
            return not bad

        eventually(fresh, "every node can be used")

    def clear(self) -> None:
        """End every job."""
        self.call("scancel", "-f", "-u", "root", check=False)
        eventually(lambda: not self.jobs(*ALIVE, "COMPLETING"), "the queue is empty")

    def taken(self) -> list[str]:
        """Names of the nodes on which jobs run."""
        return [
            row.split()[0]
            for row in self.call("sinfo", "-h", "-N", "-p", "debug", "-o", "%N %T").splitlines()
            if row.split()[1] in ("allocated", "mixed")
        ]


#: A job that is completing has ended; Slurm is tidying up behind it.
ALIVE = ("PENDING", "RUNNING", "CONFIGURING", "SUSPENDED", "REQUEUED", "RESIZING")
IN_ORDER: tuple[Any, ...] = ("idle", "allocated", "mixed", "completing")
