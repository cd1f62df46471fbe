"""One block: what is known about its job, and what its dead workers have left."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from typing import Any

from parsl_on_dask.clusters.base import End
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.remote import journal

#: Seconds that the journal of a dead worker may take to arrive.
ARRIVAL = 1.0
#: Seconds for which a block that left no journal in that time is not waited for again.
SILENT = 10.0

NEVER_CONNECTED = (
    "The job ended before any of its workers had connected to the scheduler; its output, in the submit_scripts "
    "directory of the run, may say why"
)


class Block:
    """One job.

    - `name`: its id, a number.
    - `folder`: directory that its nodes share with this process. They make it.
    - `spec_file`: what its nodes are told. It is there for as long as the block is wanted.
    - `job_id`: the provider's; None before the submission.
    - `status`: as it is shown.
    - `connected`: whether it ever had workers.
    - `since`: when the first of them came, by the monotonic clock.
    - `trial`: which trial of the governor's it belongs to.
    - `counted`: whether the governor knows what became of it.
    - `left_word`: whether its job was seen to have left an exit code.
    - `given_back`: whether it is, or is about to be, cancelled.
    - `gone`: whether the provider says that the job has ended.
    """

    def __init__(self, name: str, folder: str, spec_file: str) -> None:
        self.name = name
        self.folder = folder
        self.spec_file = spec_file
        self.job_id: Any = None
        self.status = JobStatus(JobState.PENDING)
        self.connected = False
        self.since = 0.0
        self.given_back = False
        self.gone = False
        self.trial = 0
        self.counted = False
        self.left_word = False
        self.submitted = threading.Event()

    @property
    def over(self) -> bool:
        """Whether it runs no more and never will."""
        return self.status.terminal

    @property
    def running(self) -> bool:
        return self.connected or self.status.state is JobState.RUNNING

    def has_workers(self) -> None:
        """A worker of it is there."""
        if not self.connected:
            self.since = time.monotonic()
        self.connected = True
        if self.status.state in (JobState.PENDING, JobState.HELD, JobState.UNKNOWN):
            self.status = JobStatus(JobState.RUNNING)

    def ended(self, status: JobStatus) -> None:
        """The provider says so."""
        self.gone = True
        if not self.given_back:
            if not self.connected:
                message = status.message or NEVER_CONNECTED
                status = JobStatus(JobState.MISSING, message, status.exit_code, status.stdout_path, status.stderr_path)
            status.served = self.served()
            status.trial = self.trial
            self.status = status
        self.forget()

    def served(self) -> float:
        """For how many seconds it has had workers."""
        return time.monotonic() - self.since if self.connected else 0.0

    def forget(self) -> None:
        """Remove the file that its nodes start from: it holds keys."""
        with contextlib.suppress(OSError):
            os.unlink(self.spec_file)


def describe_end(status: JobStatus) -> str:
    """All that is known about a job that ended, in a few lines."""
    lines = [str(status)]
    if status.exit_code is not None:
        lines.append(f"exit code {status.exit_code}")
    if status.stderr_summary:
        lines.append(f"the job's stderr:\n{status.stderr_summary}")
    return "; ".join(lines)


class Remains:
    """Reads journals and ends, once each."""

    def __init__(self) -> None:
        self._silent: dict[str, float] = {}

    def last_of(self, block: Block, worker: str) -> tuple[int, list[bytes]] | None:
        """Number of the call that a worker was running (0: none) and its last reports; None if it left no journal."""
        path = journal.path_of(block.folder, worker)
        # a node that is gone writes no journals: its other workers' are not waited for
        patient = time.monotonic() - self._silent.get(block.name, -100.0) > SILENT
        deadline = time.monotonic() + (ARRIVAL if patient else 0.0)
        while True:
            found = journal.read(path)
            if found is not None:
                with contextlib.suppress(OSError):
                    os.unlink(path)
                return found
            if time.monotonic() >= deadline:
                break
            time.sleep(0.01)
        if patient:
            self._silent[block.name] = time.monotonic()
        return None

    def end_of(self, block: Block, worker: str) -> End | None:
        """How the process of a worker ended; None if its supervisor did not write that down."""
        path = os.path.join(block.folder, worker + ".end")
        try:  # it is written before the journal, for which last_of() has waited
            with open(path) as file:
                end = End(**json.load(file))
            os.unlink(path)
        except (OSError, ValueError, TypeError):
            return None
        return end
