"""How the providers for batch systems learn the states of jobs: by one question for all, tolerant of no answer."""

from __future__ import annotations

import logging
import os
import shlex
import threading
import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar

from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.providers.cluster_provider import ClusterProvider

logger = logging.getLogger("parsl.providers.asking")


class StatusCommandFailed(Exception):
    """A question to the batch system had no usable answer."""


class AskingProvider(ClusterProvider):
    """Keeps the states of jobs in ``resources`` up to date with what a batch system says."""

    #: seconds during which a job that the system does not show may just not have arrived there
    _arrival: ClassVar[float] = 30

    _asking: threading.Lock
    _silent: bool

    @property
    @abstractmethod
    def walltime_seconds(self) -> int | None:
        """How long a job may run; None when it may run for ever."""

    @abstractmethod
    def _ask(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        """Ask the batch system for the states of jobs; ids that it does not know are left out."""

    def _look_back(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        """Ask for the ends of jobs that the batch system shows no more, where it keeps books."""
        return {}

    @property
    def _batch_size(self) -> int:
        return 100

    def _query(self, command: str) -> str:
        code, out, err = self.execute_wait(command)
        if code != 0:
            raise StatusCommandFailed(f"{command!r} failed with exit code {code}: {err.strip() or out.strip()}")
        return out

    def _status(self) -> None:
        with self._asking:
            open_jobs = [job_id for job_id, job in list(self.resources.items()) if not job["status"].terminal]
            try:
                lost: list[str] = []
                for some in batches(open_jobs, self._batch_size):
                    seen = self._ask(some)
                    for job_id in some:
                        if job_id in seen:
                            self._update(self.resources[job_id], seen[job_id])
                        elif self._has_gone(self.resources[job_id]):
                            lost.append(job_id)
                self._conclude(lost)
                if self._silent:
                    logger.info("The %s batch system answers again", self.label)
                self._silent = False
            except Exception as error:
                # whoever scales blocks goes on with what was known
                level = logging.DEBUG if self._silent else logging.WARNING
                logger.log(level, "The states of %s jobs are not known and taken as before: %s", self.label, error)
                self._silent = True

    def _update(self, job: dict[str, Any], status: JobStatus) -> None:
        job["missed"] = 0
        if status.state is JobState.RUNNING:
            job.setdefault("running_since", time.monotonic())
        if job.get("cancelled") and status.terminal:
            status.state = JobState.CANCELLED
        elif status.state in (JobState.FAILED, JobState.CANCELLED, JobState.COMPLETED) and self._ran_out(job, status):
            status.state = JobState.TIMEOUT
        status.stdout_path, status.stderr_path = job["job_stdout_path"], job["job_stderr_path"]
        before = job["status"]
        if (before.state, before.message) != (status.state, status.message):
            logger.debug("Job %s is %s", job["job_id"], status)
        job["status"] = status

    def _has_gone(self, job: dict[str, Any]) -> bool:
        """Whether a job that the system does not show has ended, rather than not yet arrived."""
        job["missed"] += 1
        if job.get("cancelled") or _size(job["exit_code_path"]):
            return True
        arrived = "running_since" in job or time.monotonic() - job["submitted"] > self._arrival
        return bool(arrived and job["missed"] > 1)

    def _conclude(self, job_ids: list[str]) -> None:
        """Decide how jobs ended that the system has forgotten."""
        if not job_ids:
            return
        try:
            ends = self._look_back(job_ids)
        except Exception as error:
            logger.debug("How jobs %s ended is not in the books: %s", job_ids, error)
            ends = {}
        for job_id in job_ids:
            job = self.resources[job_id]
            self._update(job, ends.get(job_id) or self._by_exit_code(job))

    def _by_exit_code(self, job: dict[str, Any]) -> JobStatus:
        try:
            with open(job["exit_code_path"]) as file:
                code = int(file.read())
        except (OSError, ValueError):
            # What cannot be known is, as in Parsl, no failure.
            if "running_since" in job:
                return JobStatus(JobState.COMPLETED, "ended without leaving an exit code")
            return JobStatus(JobState.CANCELLED, "left the queue without having been seen to run")
        return ended(code)

    def _ran_out(self, job: dict[str, Any], status: JobStatus) -> bool:
        """Whether a job that was killed, by all that is known, was killed at its walltime."""
        end, since = self.walltime_seconds, job.get("running_since")
        killed = status.exit_code is None or status.exit_code > 128 or status.exit_code < 0
        return killed and since is not None and end is not None and time.monotonic() - since >= end - 1

    def watch(self, job_id: str, job_name: str = "") -> None:
        """Let :meth:`status` know a job, too, that something else submitted.

        Parameters
        ----------
        job_id : str
            The batch system's id.
        job_name : str
            Name for people.
        """
        if job_id not in self.resources:
            self.resources[job_id] = {
                "job_id": job_id,
                "job_name": job_name,
                "job_stdout_path": None,
                "job_stderr_path": None,
                "exit_code_path": os.devnull,
                "submitted": time.monotonic(),
                "missed": 0,
                "status": JobStatus(JobState.PENDING),
            }

    def status(self, job_ids: Sequence[Any]) -> list[JobStatus]:
        """Return the states of jobs, in the order of their ids, by one command for all jobs that have not ended.

        When the command fails, or takes longer than ``cmd_timeout``, the last known states are returned and a warning
        is logged. An id that this provider has not submitted is ``UNKNOWN``.
        """
        if job_ids:
            self._status()
        return [
            self.resources[job_id]["status"]
            if job_id in self.resources
            else JobStatus(JobState.UNKNOWN, "not a job of this provider")
            for job_id in job_ids
        ]


def ended(code: int | None, message: str | None = None) -> JobStatus:
    """State of a job that ended with an exit code."""
    return JobStatus(JobState.COMPLETED if not code else JobState.FAILED, message, exit_code=code)


def batches(job_ids: Iterable[str], size: int) -> Iterator[list[str]]:
    """Divide ids into lists of at most ``size``.

    Examples
    --------
    >>> list(batches("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    ids = iter(job_ids)
    while some := list(islice(ids, size)):
        yield some


def listed(job_ids: Iterable[str], separator: str = " ") -> str:
    """Ids as arguments of a command."""
    return separator.join(shlex.quote(str(job_id)) for job_id in job_ids)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
