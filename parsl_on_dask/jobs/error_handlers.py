"""Handlers of failed blocks: values for ``block_error_handler``.

A handler is called as ``handler(executor, status)`` after each poll, where ``status`` maps block ids to
:class:`~parsl_on_dask.jobs.states.JobStatus`. It calls ``executor.set_bad_state_and_fail_all(exception)`` when
the executor should not go on. The behaviour is that of Parsl's ``parsl.jobs.error_handlers``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import Any, Protocol

from parsl_on_dask.errors import ParslError
from parsl_on_dask.jobs.states import JobState, JobStatus

_FAILURES = (JobState.FAILED, JobState.MISSING)
#: Seconds: a block that had workers for as long did not fail soon.
YOUNG = 300.0


class TooManyJobFailuresError(ParslError):
    """So many blocks of an executor failed that it does not go on; the text tells about each of them."""


class HasBlocks(Protocol):
    """What a handler uses of an executor."""

    provider: Any

    def set_bad_state_and_fail_all(self, exception: Exception) -> None:
        """Give the executor up."""


def noop_error_handler(executor: HasBlocks, status: Mapping[str, JobStatus], threshold: int = 3) -> None:
    """Do nothing: blocks may fail for as long as there are tasks (``block_error_handler=False``)."""


def default_error_handler(executor: HasBlocks, status: Mapping[str, JobStatus], threshold: int = 3) -> None:
    """Give the executor up when nothing is left of it and there is no hope (``block_error_handler=True``).

    That is so when the batch system has said that it will never take such a job; when the last rounds of blocks failed
    before they had workers or soon after; or, where nothing asks for further blocks, when all of them have failed.
    Blocks that served for long count for nothing here, whatever ended them.

    Parameters
    ----------
    executor : BlockProviderExecutor
    status : mapping of str to JobStatus
        The blocks that were submitted, by id; ids are numbers, the newest the highest.
    threshold : int
        How many rounds have to fail one after the other. Blocks that were asked for together, or before it was known
        that others failed, are one round. Default 3; ``functools.partial`` sets another.
    """
    if not status or not all(job.terminal for job in status.values()):
        return
    ordered = [status[block] for block in sorted(status, key=int)]
    if not getattr(getattr(executor, "lane", None), "scaled", True):
        if _failures(ordered) == len(ordered) >= max(1, getattr(executor.provider, "init_blocks", 1)):
            executor.set_bad_state_and_fail_all(_summary(status.values()))
        return
    newest = list(takewhile(lambda job: job.state in _FAILURES and (job.served or 0.0) < YOUNG, reversed(ordered)))
    rounds = {number if job.trial is None else -1 - job.trial for number, job in enumerate(newest)}
    if len(rounds) >= threshold or (newest and newest[0].refused):
        executor.set_bad_state_and_fail_all(_summary(reversed(newest)))


def simple_error_handler(executor: HasBlocks, status: Mapping[str, JobStatus], threshold: int = 3) -> None:
    """Give the executor up when there were enough blocks and every one failed, as Parsl does by default.

    Parameters
    ----------
    executor : BlockProviderExecutor
    status : mapping of str to JobStatus
        All blocks so far, by id.
    threshold : int
        How many blocks are enough. The provider's ``init_blocks``, and at least 1, is used instead when there is one.
    """
    init_blocks = getattr(executor.provider, "init_blocks", None)
    enough = threshold if init_blocks is None else max(1, init_blocks)
    if len(status) >= enough and _failures(status.values()) == len(status):
        executor.set_bad_state_and_fail_all(_summary(status.values()))


def windowed_error_handler(executor: HasBlocks, status: Mapping[str, JobStatus], threshold: int = 3) -> None:
    """Give the executor up when its newest blocks failed, whatever happened to those before.

    Parameters
    ----------
    executor : BlockProviderExecutor
    status : mapping of str to JobStatus
        All blocks so far, by id; ids are numbers, the newest the highest.
    threshold : int
        How many of the newest blocks are looked at. Default 3; ``functools.partial`` sets another.
    """
    newest = [status[block] for block in sorted(status, key=int)[-threshold:]]
    if _failures(newest) == threshold:
        executor.set_bad_state_and_fail_all(_summary(status.values()))


def _failures(statuses: Iterable[JobStatus]) -> int:
    return sum(s.state in _FAILURES for s in statuses)


def _summary(statuses: Iterable[JobStatus]) -> TooManyJobFailuresError:
    lines: list[str] = []
    for number, job in enumerate(statuses, 1):
        lines.append(f"Error {number}:")
        if job.message is not None:
            lines.append(f"\t{job.message}")
        if job.exit_code is not None:
            lines.append(f"\tEXIT CODE: {job.exit_code}")
        if job.stdout_summary:
            lines.append(f"\tSTDOUT: {job.stdout_summary}")
        if job.stderr_summary:
            lines.append(f"\tSTDERR: {job.stderr_summary}")
    return TooManyJobFailuresError("\n".join(lines) or "The jobs left no messages")
