"""States of a block's job. Where names and numbers come from: Parsl's ``parsl.jobs.states``."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from enum import IntEnum

logger = logging.getLogger("parsl.jobs.states")


class JobState(IntEnum):
    """Where a job stands.

    ``TIMEOUT`` is the expected end of a job at its walltime and no failure; ``MISSING`` is a job that ended
    before any of its workers had reported; ``SCALED_IN`` one that was given back on purpose.
    """

    UNKNOWN = 0
    PENDING = 1
    RUNNING = 2
    CANCELLED = 3
    COMPLETED = 4
    FAILED = 5
    TIMEOUT = 6
    HELD = 7
    MISSING = 8
    SCALED_IN = 9

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


TERMINAL_STATES = [
    JobState.CANCELLED,
    JobState.COMPLETED,
    JobState.FAILED,
    JobState.TIMEOUT,
    JobState.MISSING,
    JobState.SCALED_IN,
]


def states_by_word(words: Mapping[JobState, str]) -> dict[str, JobState]:
    """The states that the words of a batch system stand for.

    Parameters
    ----------
    words : mapping of JobState to str
        All words for a state, with blanks between them.

    Examples
    --------
    >>> states_by_word({JobState.PENDING: "PEND WAIT"})["WAIT"]
    <JobState.PENDING: 1>
    """
    return {word: state for state, text in words.items() for word in text.split()}


class JobStatus:
    """A job's state and what is known about it besides.

    Parameters
    ----------
    state : JobState
    message : str, optional
        A line for people.
    exit_code : int, optional
    stdout_path, stderr_path : str, optional
        Files that hold the job's output.

    Examples
    --------
    >>> status = JobStatus(JobState.FAILED, "no such queue", exit_code=1)
    >>> status.terminal, status.status_name, str(status)
    (True, 'FAILED', 'JobState.FAILED (no such queue)')
    """

    SUMMARY_TRUNCATION_THRESHOLD = 2048

    #: For how many seconds a block that has ended had workers; None where that is not known.
    served: float | None = None
    #: How many rounds of blocks had failed soon before this one was asked for; None where that is not known.
    trial: int | None = None
    #: Whether the batch system said that it will never take such a job.
    refused: bool = False

    def __init__(
        self,
        state: JobState,
        message: str | None = None,
        exit_code: int | None = None,
        stdout_path: str | None = None,
        stderr_path: str | None = None,
    ) -> None:
        self.state = state
        self.message = message
        self.exit_code = exit_code
        self.stdout_path = stdout_path
        self.stderr_path = stderr_path

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return self.state in TERMINAL_STATES

    @property
    def status_name(self) -> str:
        """The state's bare name, for example ``"RUNNING"``."""
        return self.state.name

    def __repr__(self) -> str:
        return f"<JobStatus {self}>"

    def __str__(self) -> str:
        return str(self.state) if self.message is None else f"{self.state} ({self.message})"

    @property
    def stdout(self) -> str | None:
        """All that the job wrote to its stdout, or None when it cannot be read."""
        return _read(self.stdout_path)

    @property
    def stderr(self) -> str | None:
        """All that the job wrote to its stderr, or None when it cannot be read."""
        return _read(self.stderr_path)

    @property
    def stdout_summary(self) -> str | None:
        """Beginning and end of the job's stdout, at most about ``SUMMARY_TRUNCATION_THRESHOLD`` bytes."""
        return _read(self.stdout_path, self.SUMMARY_TRUNCATION_THRESHOLD)

    @property
    def stderr_summary(self) -> str | None:
        """Beginning and end of the job's stderr, at most about ``SUMMARY_TRUNCATION_THRESHOLD`` bytes."""
        return _read(self.stderr_path, self.SUMMARY_TRUNCATION_THRESHOLD)


def _read(path: str | None, limit: int | None = None) -> str | None:
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if limit is None or size <= limit:
                return file.read().decode(errors="replace")
            half = limit // 2
            head = file.read(half)
            file.seek(size - half)
            return head.decode(errors="replace") + "\n...\n" + file.read().decode(errors="replace")
    except FileNotFoundError:
        return None  # a job that wrote nothing may have no file
    except OSError:
        logger.exception("Cannot read job output %s", path)
        return None
