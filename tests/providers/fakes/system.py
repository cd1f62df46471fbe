"""A small batch system: jobs are shell processes, kept in files, and end at their walltime."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

ENDED = ("done", "cancelled", "timeout")


@dataclass
class Job:
    number: int
    name: str
    script: str
    stdout: str
    stderr: str
    walltime: float | None = None
    state: str = "queued"  # held, running, done, cancelled, timeout
    started: float = 0.0
    pid: int = 0
    code: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    array: int = 0  # the number of the first job of the array
    index: int = -1


class System:
    """The system whose files are in a directory. Files there with these names change what it does:

    broken: commands that ask for states fail; slow: commands take so many seconds; full: jobs stay queued;
    held: new jobs are held; forgetful: ended jobs are forgotten at once; refusing: no job is accepted;
    no-arrays: no job array is accepted.
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    def knob(self, name: str) -> str | None:
        path = self.home / name
        return path.read_text() if path.exists() else None

    def _path(self, number: int) -> Path:
        return self.home / f"job-{number}.json"

    def save(self, job: Job) -> None:
        draft = self._path(job.number).with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(asdict(job)))
        draft.replace(self._path(job.number))

    def submit_array(
        self, indices: str, mark: str, variable: str, name: str, script: str, out: str, err: str, end: float | None
    ) -> Job:
        """The jobs of an array, whose index takes the place of ``mark`` in paths; the first of them."""
        if self.knob("no-arrays") is not None:
            refuse("job arrays are not allowed here", 1)
        low, _, high = indices.partition("-")
        jobs: list[Job] = []
        for index in range(int(low), int(high) + 1):
            paths = (path.replace(mark, str(index)) for path in (out, err))
            job = self.submit(name, script, *paths, end, **{variable: str(index)})
            job.array, job.index = (jobs or [job])[0].number, index
            self.save(job)
            jobs.append(job)
        return jobs[0]

    def find(self, number: int, index: int | None = None) -> Job | None:
        """The job of a number, or the one of an index in the array of that number."""
        jobs = self.jobs()
        if index is None:
            return jobs.get(number)
        return next((job for job in jobs.values() if (job.array, job.index) == (number, index)), None)

    def submit(
        self, name: str, script: str, stdout: str, stderr: str, walltime: float | None, **environment: str
    ) -> Job:
        for number in range(1, 1000):
            with contextlib.suppress(FileExistsError):
                (self.home / f"number-{number}").touch(exist_ok=False)
                break
        job = Job(number, name, script, stdout, stderr, walltime, environment=environment)
        if self.knob("held") is not None:
            job.state = "held"
        elif self.knob("full") is None:
            self._start(job)
        self.save(job)
        return job

    def _start(self, job: Job) -> None:
        rc = self.home / f"rc-{job.number}"
        words = [shlex.quote(word) for word in ("/bin/bash", job.script)]
        out, err = shlex.quote(job.stdout), shlex.quote(job.stderr)
        job.pid = subprocess.Popen(
            ["/bin/bash", "-c", f"{' '.join(words)} >{out} 2>{err}; echo $? > {shlex.quote(str(rc))}"],
            env={**os.environ, **job.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ).pid
        job.state, job.started = "running", time.time()

    def jobs(self) -> dict[int, Job]:
        found = {}
        for path in self.home.glob("job-*.json"):
            job = Job(**json.loads(path.read_text()))
            self._look(job)
            if not (job.state in ENDED and self.knob("forgetful") is not None):
                found[job.number] = job
        return found

    def _look(self, job: Job) -> None:
        if job.state == "queued" and self.knob("full") is None:
            self._start(job)
        rc = self.home / f"rc-{job.number}"
        if job.state == "running" and rc.exists() and rc.read_text().strip():
            job.state, job.code = "done", int(rc.read_text())
        elif job.state == "running" and job.walltime is not None and time.time() - job.started > job.walltime:
            self._kill(job, signal.SIGKILL)
            job.state = "timeout"
        self.save(job)

    def cancel(self, number: int) -> bool:
        job = self.jobs().get(number)
        if job is None or job.state in ENDED:
            return False
        self._kill(job, signal.SIGTERM)
        job.state = "cancelled"
        self.save(job)
        return True

    @staticmethod
    def _kill(job: Job, number: int) -> None:
        if job.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.pid, number)

    def end(self) -> None:
        """End all jobs."""
        for path in self.home.glob("job-*.json"):
            self._kill(Job(**json.loads(path.read_text())), signal.SIGKILL)


def refuse(text: str, code: int) -> None:
    print(text, file=sys.stderr)
    sys.exit(code)
