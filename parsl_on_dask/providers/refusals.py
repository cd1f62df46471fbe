"""Reads the words of a batch system that does not take a job: come back later, too many of yours, or never."""

from __future__ import annotations

import subprocess
from enum import Enum


class Refusal(Enum):
    """Why a submission failed.

    - `NO_ANSWER`: the batch system could not be reached, or was too busy. The same submission may succeed later.
    - `FULL`: it has as many jobs of this user as it takes. The same submission may succeed when one of them has ended.
    - `FINAL`: it will not take such a job: account, partition, quality of service, size.
    - `UNKNOWN`: nothing that is known here.
    """

    NO_ANSWER = "no answer"
    FULL = "full"
    FINAL = "final"
    UNKNOWN = "unknown"


def _phrases(text: str) -> list[str]:
    return " ".join(text.split()).split(", ")


#: Pieces of what Slurm, PBS, Torque, LSF, Grid Engine, HTCondor and OAR write, in small letters.
_NO_ANSWER = _phrases(
    """
    timed out, time out, timeout, took longer than cmd_timeout, temporarily unable, temporarily unavailable,
    unable to contact, unable to connect, cannot connect, can't connect, failed to connect, connection refused,
    connection reset, network is unreachable, no route to host, transport endpoint, zero bytes were transmitted,
    unexpected message received, standby mode, try again, retrying, not responding, communication failure,
    communications error, commlib error, premature end of message, end of file, lsf is down,
    server shutting down, can't find address of local schedd
    """
)
_FULL = _phrases(
    """
    maxsubmitjob, job submit limit, maximum number of jobs, too many jobs, limit on number of jobs,
    limit of jobs, per-user limit, job limit, pending job threshold, jobs are allowed per user, maxjobcount
    """
)
_FINAL = _phrases(
    """
    invalid account, invalid partition, invalid qos, invalid wckey, invalid feature, invalid generic resource,
    invalid trackable, invalid job array, invalid user, invalid license, invalid directive, unrecognized option,
    unknown queue, no such queue, unknown account, unknown project, is not a valid project, not authorized,
    unauthorized, permission denied, access denied, not permitted to use, cannot use the queue,
    requested node configuration is not available, requested partition configuration not available,
    more processors requested than permitted, node count specification invalid, time limit is invalid,
    time limit specification required, exceeds queue resource limits, exceeds the limit, illegal attribute,
    command not found
    """
)
#: Limits that Slurm names and that are about the job itself, not about how many there are.
_OF_ONE_JOB = ("perjob", "pernode", "maxwall", "mincpu", "mingres", "minmemory", "mintres", "mintimelimit", "maxtime")


def refusal_of(error: BaseException, alive: bool = False) -> Refusal:
    """What it means that a submission raised ``error``.

    - `alive`: whether there are other jobs of the same executor. Some systems say the same of too many jobs and of too
      large ones; without others, it is taken for the latter.

    Examples
    --------
    >>> refusal_of(RuntimeError("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying"))
    <Refusal.NO_ANSWER: 'no answer'>
    >>> refusal_of(RuntimeError("sbatch: error: QOSMaxSubmitJobPerUserLimit"))
    <Refusal.FULL: 'full'>
    >>> refusal_of(RuntimeError("Batch job submission failed: Invalid account or account/partition combination"))
    <Refusal.FINAL: 'final'>
    """
    if isinstance(error, subprocess.TimeoutExpired | ConnectionError | TimeoutError | BlockingIOError):
        return Refusal.NO_ANSWER
    # what the command wrote, where there was one: the rest of the message has names of files in it
    said = [getattr(error, name, None) for name in ("stderr", "stdout")] if getattr(error, "retcode", None) else []
    text = " ".join([part for part in said if part] or [str(error)]).lower()
    if any(words in text for words in ("maxsubmit", "maxjobs")):
        return Refusal.FULL
    if any(words in text for words in _OF_ONE_JOB):
        return Refusal.FINAL
    if "job submit limit, user's size and/or time limits" in text:
        return Refusal.FULL if alive else Refusal.FINAL
    if any(words in text for words in _FULL):
        return Refusal.FULL
    if any(words in text for words in _FINAL):
        return Refusal.FINAL
    if any(words in text for words in _NO_ANSWER):
        return Refusal.NO_ANSWER
    return Refusal.UNKNOWN
