"""Asks batch systems for the states of jobs: with one question for all jobs, and tolerant of no answer."""

from __future__ import annotations

import logging
import os
import shlex
import threading
import time
from abc import abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from types import MappingProxyType
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
    _asked_for: Mapping[str, dict[str, Any]] = MappingProxyType({})

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

    @property
    def batch_system(self) -> Hashable:
        """What providers have in common whose jobs one command can ask after."""
        return type(self)

    def _status(self) -> None:
        ask_together([self])

    def _record(self, job_id: str) -> dict[str, Any]:
        """What is known of a job, also of one that another provider has submitted; for use in :meth:`_ask`."""
        return self._asked_for.get(job_id) or self.resources[job_id]

    def _learn(self, job_ids: Iterable[str], seen: Mapping[str, JobStatus]) -> None:
        """Take note of what the batch system has said about jobs of this provider."""
        lost: list[str] = []
        for job_id in job_ids:
            if job_id in seen:
                self._update(self.resources[job_id], seen[job_id])
            elif self._has_gone(self.resources[job_id]):
                lost.append(job_id)
        self._conclude(lost)

    def _unanswered(self, error: Exception) -> None:
        # whoever scales blocks goes on with what was known
        level = logging.DEBUG if self._silent else logging.WARNING
        logger.log(level, "The states of %s jobs are not known and taken as before: %s", self.label, error)
        self._silent = True

    def _answered(self) -> None:
        if self._silent:
            logger.info("The %s batch system answers again", self.label)
        self._silent = False

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

        - `job_id`: the batch system's id.
        - `job_name`: name for people.
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
        return self.known(job_ids)

    def known(self, job_ids: Sequence[Any]) -> list[JobStatus]:
        """Return the states of jobs as they were last known, without asking."""
        return [
            self.resources[job_id]["status"]
            if job_id in self.resources
            else JobStatus(JobState.UNKNOWN, "not a job of this provider")
            for job_id in job_ids
        ]

    def left_word(self, job_id: Any) -> JobStatus | None:
        """Return how a job ended by the file that it has left, if it has; nothing is asked, and nothing changes."""
        job = self.resources.get(job_id)
        if job is None or job["exit_code_path"] == os.devnull or not _size(job["exit_code_path"]):
            return None
        word = self._by_exit_code(job)
        return word if word.exit_code is not None else None

    def conclude(self, job_id: Any, word: JobStatus) -> JobStatus:
        """Take a job for ended as its file says; returns its state."""
        job = self.resources[job_id]
        with self._asking:
            if not job["status"].terminal:
                self._update(job, word)
            known: JobStatus = job["status"]
        return known


def ask_together(providers: Sequence[AskingProvider]) -> None:
    """Bring the states of all jobs of some providers of one batch system up to date, by one question.

    A question that fails leaves what was known as it was.
    """
    asker = providers[0]
    with ExitStack() as held:
        for provider in sorted(providers, key=id):  # in one order, as others may be at it
            held.enter_context(provider._asking)
        owners = {
            job_id: provider
            for provider in providers
            for job_id, job in list(provider.resources.items())
            if not job["status"].terminal
        }
        asker._asked_for = {job_id: owner.resources[job_id] for job_id, owner in owners.items()}
        try:
            for some in batches(owners, asker._batch_size):
                seen = asker._ask(some)
                for provider in providers:
                    provider._learn([job_id for job_id in some if owners[job_id] is provider], seen)
            for provider in providers:
                provider._answered()
        except Exception as error:
            for provider in providers:
                provider._unanswered(error)
        finally:
            del asker._asked_for


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
