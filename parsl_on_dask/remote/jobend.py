"""Finds out when the batch job ends in which a worker runs.

Who starts workers in a job puts the end into their environment: :data:`JOB_END`, or Slurm does. :data:`DRAIN` is a
time from which on a worker takes no more calls although its job goes on. Both are seconds since the epoch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import NamedTuple

JOB_END, DRAIN = "PARSL_ON_DASK_JOB_END", "PARSL_ON_DASK_DRAIN"
#: Slurm's own, of the job that a process belongs to.
SLURM_JOB_END = "SLURM_JOB_END_TIME"

#: Share of a job's time, and the least and the most seconds, that are kept at its end for values to move away.
SHARE, LEAST, MOST = 0.05, 2.0, 30.0
#: Seconds after its end at which a job that goes on is taken for one that was given more time.
EXTENDED = 5.0


class JobEnd(NamedTuple):
    """The end of a job, by :func:`time.monotonic`; infinite where there is none.

    - `stop`: no call begins after this.
    - `last`: calls should have ended by this.
    - `end`: the job is killed.
    """

    stop: float
    last: float
    end: float

    def left(self, now: float) -> JobEnd:
        """The same in seconds from ``now``."""
        return JobEnd(*[at - now for at in self])


def job_end(environment: Mapping[str, str], trust_slurm: bool, now: float, clock: float) -> JobEnd | None:
    """The end of the job that an environment tells of.

    - `trust_slurm`: whether Slurm's variable counts: not for workers that a script starts beside itself, as the job
      that it runs in may have been given more time since.
    - `now`, `clock`: :func:`time.monotonic` and :func:`time.time`.

    Examples
    --------
    >>> job_end({"PARSL_ON_DASK_JOB_END": "1600"}, True, now=0.0, clock=1000.0)
    JobEnd(stop=570.0, last=570.0, end=600.0)
    >>> job_end({"SLURM_JOB_END_TIME": "1060", "PARSL_ON_DASK_DRAIN": "1020"}, True, now=0.0, clock=1000.0)
    JobEnd(stop=20.0, last=57.0, end=60.0)
    >>> job_end({}, True, now=0.0, clock=1000.0)
    """
    end = _seconds(environment, JOB_END)
    if end is None and trust_slurm:
        end = _seconds(environment, SLURM_JOB_END)
    drain = _seconds(environment, DRAIN)
    if end is None and drain is None:
        return None
    left = float("inf") if end is None else end - clock
    last = left - min(max(SHARE * left, LEAST), MOST)
    stop = last if drain is None else min(last, drain - clock)
    return JobEnd(now + stop, now + last, now + left)


def _seconds(environment: Mapping[str, str], name: str) -> float | None:
    try:
        return float(environment[name]) or None
    except (KeyError, ValueError):
        return None


_known: dict[bool, JobEnd | None] = {}


def end_of_this_job(trust_slurm: bool) -> JobEnd | None:
    """The end of the job that this process runs in; None when it has none, or goes on after it."""
    now = time.monotonic()
    if trust_slurm not in _known:
        # once, since a call may change the environment
        _known[trust_slurm] = job_end(os.environ, trust_slurm, now, time.time())
    known = _known[trust_slurm]
    return None if known is None or now > known.end + EXTENDED else known


def is_leaving(environment: Mapping[str, str], trust_slurm: bool = True) -> bool:
    """Whether a worker with this environment takes no more calls, so that none should be started in its place."""
    now = time.monotonic()
    end = job_end(environment, trust_slurm, now, time.time())
    return end is not None and end.stop <= now + LEAST
