"""A batch system for tests: jobs are shells on this machine, and a node is a copy of the command."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.launchers import SingleNodeLauncher
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.providers.errors import SubmitException


class ShellProvider(ExecutionProvider):
    """What somebody might have written for Parsl."""

    def __init__(self, **options: Any) -> None:
        self.nodes_per_block = 1
        self.init_blocks = 1
        self.min_blocks = 0
        self.max_blocks = 4
        self.parallelism = 1
        self.worker_init = ""
        self.launcher: Any = SingleNodeLauncher(debug=False)
        self.walltime: str | None = None
        self.poll = 1
        self.hold = False
        self.refuse: str | None = None
        self.status_error: Exception | None = None
        self.status_delay = 0.0
        self.submit_delay = 0.0
        self.script_dir = None
        self.resources: dict[Any, Any] = {}
        self.queue: list[str] = []
        self.commands: list[str] = []
        self.within = 0
        self.__dict__.update(options)

    label = "shell"

    @property
    def status_polling_interval(self) -> int:
        return self.poll

    def _alone(self) -> Callable[[], None]:
        self.within += 1
        assert self.within == 1, "two threads at a time"
        return lambda: setattr(self, "within", self.within - 1)

    def submit(self, command: str, tasks_per_node: int, job_name: str = "job") -> object:
        leave = self._alone()
        try:
            if self.refuse:
                raise SubmitException(job_name, self.refuse)
            assert self.script_dir is not None
            self.commands.append(command)
            time.sleep(self.submit_delay)
            number = str(len(self.resources) + 1000)
            path = Path(self.script_dir) / f"{job_name}.{time.time()}.sh"
            text = self.launcher(command, tasks_per_node, self.nodes_per_block, str(self.script_dir))
            path.write_text(f"{self.worker_init}\nexport JOBNAME={job_name}\n{text}")
            self.resources[number] = {"path": path, "process": None, "cancelled": False}
            if not self.hold:
                self.run(number)
            return number
        finally:
            leave()

    def run(self, number: str) -> None:
        job = self.resources[number]
        path = str(job["path"])
        with open(path + ".out", "wb") as out, open(path + ".err", "wb") as err:
            job["process"] = subprocess.Popen(
                ["/bin/bash", path], stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )

    def status(self, job_ids: Sequence[Any]) -> Sequence[JobStatus]:
        leave = self._alone()
        try:
            time.sleep(self.status_delay)
            if self.status_error:
                raise self.status_error
            return [self._state(self.resources[i]) for i in job_ids]
        finally:
            leave()

    def _state(self, job: dict[str, Any]) -> JobStatus:
        if job["cancelled"] and (job["process"] is None or job["process"].poll() is not None):
            return JobStatus(JobState.CANCELLED)
        if job["process"] is None:
            return JobStatus(JobState.PENDING)
        code = job["process"].poll()
        if code is None:
            return JobStatus(JobState.RUNNING)
        state = job.get("end") or (JobState.COMPLETED if code == 0 else JobState.FAILED)
        path = str(job["path"])
        return JobStatus(state, exit_code=code, stdout_path=path + ".out", stderr_path=path + ".err")

    def cancel(self, job_ids: Sequence[Any]) -> Sequence[bool]:
        leave = self._alone()
        try:
            for number in job_ids:
                job = self.resources[number]
                job["cancelled"] = True
                self.kill(number, signal.SIGTERM)
                if job["process"] is not None:
                    timer = threading.Timer(5, self.kill, (number, signal.SIGKILL))
                    timer.daemon = True
                    timer.start()
            return [True for _ in job_ids]
        finally:
            leave()

    def time_out(self, number: str) -> None:
        """End a job as a batch system does at the end of its walltime."""
        self.resources[number]["end"] = JobState.TIMEOUT
        self.kill(number)

    def kill(self, number: str, signum: int = signal.SIGKILL) -> None:
        """End a job and all its processes."""
        process = self.resources[number]["process"]
        if process is not None and process.poll() is None:
            try:
                os.killpg(process.pid, signum)
            except ProcessLookupError:
                pass

    def left(self) -> list[str]:
        """The jobs that have not ended."""
        return [n for n, j in self.resources.items() if self._state(j).state in (JobState.PENDING, JobState.RUNNING)]
