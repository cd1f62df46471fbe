"""Blocks of workers from Grid Engine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from parsl_on_dask.channels.base import Channel
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.providers.arrays import GRID_ENGINE
from parsl_on_dask.providers.asking import ended, listed
from parsl_on_dask.providers.batch import BatchProvider
from parsl_on_dask.providers.defaults import DefaultStr
from parsl_on_dask.providers.directives import Directive
from parsl_on_dask.providers.scripts import complete

_ROW = re.compile(r"\s*(\d+)\s+\S+\s+\S+\s+\S+\s+(\w+)\s")
#: qacct's number for a job that was killed at its h_rt
_H_RT = "37"
#: its number for a job that was ended by a signal
_KILLED = "100"


@complete
@dataclass(eq=False, repr=False)
class GridEngineProvider(BatchProvider):
    """Gives blocks of workers as jobs of Grid Engine, by ``qsub``, ``qstat`` (``qacct``) and ``qdel``.

    What is left out comes from the site's ``jobqueue.sge`` settings, when it has any. The behaviour is
    that of Parsl's ``parsl.providers.grid_engine`` and dask-jobqueue's ``SGECluster``.

    Parameters
    ----------
    nodes_per_block : int
        Nodes of one job, for the launcher. Default 1. Grid Engine is asked for several by ``scheduler_options``, for
        example ``"#$ -pe mpi 64"``.
    walltime : str
        How long a job may run, as ``HH:MM:SS`` (``h_rt``). Default ``"00:10:00"``.
    queue : str, optional
        Where jobs wait (``qsub -q``).
    {shared}

    Examples
    --------
    >>> GridEngineProvider(walltime="01:00:00").script().splitlines()[6]
    '#$ -l h_rt=01:00:00'
    """

    _legacy_arguments = frozenset({"channel"})
    _system = "sge"
    _job_script = "grid_engine:GridEngineBlockJob"
    _kind = "grid_engine"
    _arrays = GRID_ENGINE
    _mark = "#$"
    _walltime_units = (60, 1)

    nodes_per_block: int = 1
    init_blocks: int = 1
    min_blocks: int = 0
    max_blocks: int = 1
    parallelism: float = 1
    walltime: str | None = DefaultStr("00:10:00")
    scheduler_options: str = ""
    worker_init: str = ""
    launcher: Launcher | None = None
    cmd_timeout: float | None = 60
    queue: str | None = None
    _: KW_ONLY
    config_name: str | None = None
    jobqueue: Mapping[str, Any] | None = None
    job_arrays: bool = True
    channel: Channel | None = None

    def _limit(self, walltime: str) -> Directive:
        return Directive(f"-l h_rt={walltime}")

    def _later_options(self) -> list[str]:
        spec = self.site.resource_spec
        return [*([f"-l {spec}"] if spec else []), *super()._later_options()]

    @property
    def joins_output(self) -> bool:
        by_default = self.by_jobqueue and not Directive("-j y").skipped(self.site.skip)
        return by_default or super().joins_output

    def _ask(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        found = {}
        for line in self._query("qstat").splitlines():
            row = _ROW.match(line)
            if row is not None:
                alone, *elements = row[1], *(f"{row[1]}.{index}" for index in _indices(line))
                found.update({job_id: _state(row[2]) for job_id in (alone, *elements) if job_id in job_ids})
        return found

    def _look_back(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        found = {}
        for job_id in job_ids:
            # The books of a large site are slow to search, and a job that came to its end says how by itself.
            if self._by_exit_code(self.resources[job_id]).exit_code is None:
                number, dot, index = job_id.partition(".")
                code, out, _ = self.execute_wait(f"qacct -j {listed([number])}{dot and f' -t {index}'}")
                if code == 0:
                    found[job_id] = _end(out)
        return found

    def _cancel_command(self, job_ids: Sequence[str]) -> str:
        return f"qdel {listed(job_ids)}"


def _indices(line: str) -> list[int]:
    """Indices of the jobs of an array that a line of qstat tells of; those that wait share one.

    Examples
    --------
    >>> _indices("  7 0.5 name root r 11/22/2026 12:00:00 all.q@host 1 3"), _indices("  7 0.5 name root qw 1 2-4:1,7")
    ([3], [2, 3, 4, 7])
    """
    found: list[int] = []
    for part in line.split()[-1].split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
        if match is not None:
            first, last = int(match[1]), int(match[2] or match[1])
            found += range(first, last + 1, int(match[3] or 1))
    return found


def _state(letters: str) -> JobStatus:
    """State from qstat's letters.

    Examples
    --------
    >>> [str(_state(letters)) for letters in ("qw", "hqw", "t", "Rr")]
    ['JobState.PENDING', 'JobState.HELD (hqw)', 'JobState.PENDING', 'JobState.RUNNING']
    >>> [str(_state(letters)) for letters in ("Eqw", "dr", "S")]
    ['JobState.FAILED (Eqw)', 'JobState.CANCELLED (dr)', 'JobState.HELD (S)']
    """
    if "E" in letters:
        return JobStatus(JobState.FAILED, letters)
    if "d" in letters:
        return JobStatus(JobState.CANCELLED, letters)
    if set(letters) & set("hsSTNP"):
        return JobStatus(JobState.HELD, letters)
    if "q" in letters or "t" in letters:
        return JobStatus(JobState.PENDING)
    return JobStatus(JobState.RUNNING if "r" in letters.lower() else JobState.UNKNOWN)


def _end(books: str) -> JobStatus:
    """State from what qacct writes about a job."""
    entries = dict(line.strip().partition(" ")[::2] for line in books.splitlines())
    failed, _, why = entries.get("failed", "0").strip().partition(":")
    code = entries.get("exit_status", "").strip().partition(" ")[0]
    status = ended(int(code) if code.isdigit() else None, why.strip() or None)
    if failed.strip() == _H_RT:
        status.state = JobState.TIMEOUT
    elif entries.get("deleted_by", "NONE").strip() not in ("NONE", ""):
        status.state = JobState.CANCELLED
    elif "deleted_by" not in entries and failed.strip() == _KILLED and code == "137":
        # older versions do not tell qdel from a limit other than h_rt
        status.state = JobState.CANCELLED
    return status
