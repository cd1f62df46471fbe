"""Node-hours by the books of a batch system, where it keeps some: Slurm's ``sacct``."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from parsl_on_dask.jobs.node_hours import BlockHours, NodeHours

__all__ = ["by_the_books"]

#: Seconds that sacct may take, and how many jobs one command asks after.
PATIENCE, TOGETHER = 30.0, 500
_FIELDS = "JobID,NNodes,Submit,Start,End,ElapsedRaw,TimelimitRaw,State"


class _Booked(NamedTuple):
    """What the books say of one run of a job; a job that was requeued has several."""

    nodes: int
    submitted: float | None
    started: float | None
    ran: float
    limit: float | None


def by_the_books(hours: NodeHours) -> NodeHours:
    """Return node-hours with the times and numbers of nodes that ``sacct`` knows; as they were where it knows none.

    What was idle only the run knows, and that stays.
    """
    jobs = [b.job for b in hours.blocks if b.job is not None]
    if hours.system != "slurm" or not jobs or shutil.which("sacct") is None:
        return hours
    entries: dict[str, list[_Booked]] = {}
    try:
        for first in range(0, len(jobs), TOGETHER):
            for job, entry in _ask(jobs[first : first + TOGETHER], hours.clusters):
                entries.setdefault(job, []).append(entry)
    except (OSError, subprocess.SubprocessError, ValueError):  # no accounting, or none of ours to see
        return hours
    if not entries:
        return hours
    blocks = [_booked(b, entries[b.job]) if b.job in entries else b for b in hours.blocks]
    return replace(hours, blocks=blocks, source="sacct")


def _booked(block: BlockHours, entries: list[_Booked]) -> BlockHours:
    ran = sum(e.ran for e in entries)
    waits = [e.started - e.submitted for e in entries if e.started is not None and e.submitted is not None]
    limit = entries[-1].limit
    return replace(
        block,
        nodes=max(1, entries[-1].nodes),
        queued=sum(waits) if waits else block.queued,
        used=ran,
        # of what the run did not see, the beginning and the end of a job, no call was a part
        idle=min(ran, block.idle + max(0.0, ran - block.used)),
        walltime=block.walltime if limit is None else limit,
    )


def _ask(jobs: list[str], clusters: str | None) -> Iterator[tuple[str, _Booked]]:
    command = ["sacct", "-X", "-n", "-P", "-D", "-j", ",".join(jobs), "-o", _FIELDS]
    if clusters:
        command.insert(1, f"--clusters={clusters}")
    done = subprocess.run(
        command,
        env={**os.environ, "SLURM_TIME_FORMAT": "%s"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    for line in done.stdout.splitlines():
        job, nodes, submitted, started, _, ran, limit, _ = line.split("|")
        entry = _Booked(int(nodes), _number(submitted), _number(started), float(ran), _minutes(limit))
        yield job, entry


def _number(text: str) -> float | None:
    """A time; None for "Unknown" and "None"."""
    return float(text) if text.isdigit() else None


def _minutes(text: str) -> float | None:
    return float(text) * 60 if text.isdigit() else None
