"""Blocks of workers from Torque."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from parsl_on_dask.channels.base import Channel
from parsl_on_dask.jobs.states import JobState, JobStatus, states_by_word
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.launchers.launchers import AprunLauncher
from parsl_on_dask.providers.asking import StatusCommandFailed, ended, listed
from parsl_on_dask.providers.batch import BatchProvider
from parsl_on_dask.providers.defaults import DefaultStr
from parsl_on_dask.providers.scripts import JobScript, complete

#: the letters of qstat; E, a job that is ending, has not ended yet
STATES = states_by_word(
    {
        JobState.RUNNING: "B R E",
        JobState.COMPLETED: "C F X",
        JobState.HELD: "H S U",
        JobState.PENDING: "Q W T M",
    }
)
_ATTRIBUTE = re.compile(r"\s+([\w.]+) = (.*)")
#: how qstat says that it does not know a job
UNKNOWN_JOB = "Unknown Job"
#: exit status of a job that was killed at its walltime: Torque's, and PBS Pro's
_WALLTIME_EXCEEDED = (-11, -29)
#: exit status of a job that was told to end, by qdel or otherwise (256 + SIGTERM)
_TERMINATED = 271
#: PBS Pro's substate of a job that was deleted
_DELETED = "91"


@complete
@dataclass(eq=False, repr=False)
class TorqueProvider(BatchProvider):
    """Gives blocks of workers as jobs of Torque, by ``qsub``, ``qstat`` and ``qdel``.

    What is left out comes from the site's ``jobqueue.pbs`` settings, when it has any. The behaviour is
    that of Parsl's ``parsl.providers.torque`` and dask-jobqueue's ``PBSCluster``.

    Parameters
    ----------
    account, queue : str, optional
        What is charged, and where jobs wait (``qsub -A -q``).
    {shared}

    Examples
    --------
    >>> TorqueProvider(nodes_per_block=2).script().splitlines()[6]
    '#PBS -l nodes=2:ppn=1'
    """

    _legacy_arguments = frozenset({"channel"})
    _system = "pbs"
    _job_script = "pbs:TorqueBlockJob"
    _mark = "#PBS"
    _prefix = "parsl."
    _kind = "torque"
    _launcher: ClassVar[type[Launcher]] = AprunLauncher
    _walltime_units = (60, 1)

    account: str | None = None
    queue: str | None = None
    scheduler_options: str = ""
    worker_init: str = ""
    nodes_per_block: int = 1
    init_blocks: int = 1
    min_blocks: int = 0
    max_blocks: int = 1
    parallelism: float = 1
    launcher: Launcher | None = None
    walltime: str | None = DefaultStr("00:20:00")
    cmd_timeout: float | None = 120
    _: KW_ONLY
    config_name: str | None = None
    jobqueue: Mapping[str, Any] | None = None
    channel: Channel | None = None

    def _later_options(self) -> list[str]:
        return list(self.site.directives)

    def _job_id(self, job: JobScript, out: str) -> str | None:
        # with the name of the server, which distinguishes jobs of several
        lines = [line.strip() for line in out.splitlines()]
        return next((line for line in reversed(lines) if line[:1].isdigit()), None)

    def _ask(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        code, out, err = self.execute_wait(f"qstat -f {listed(job_ids)}")
        if code != 0 and UNKNOWN_JOB not in err:  # which it says when it has forgotten one of them
            raise StatusCommandFailed(f"qstat failed with exit code {code}: {err.strip() or out.strip()}")
        return self._states(full_display(out), job_ids)

    def _states(self, jobs: Mapping[str, Mapping[str, Any]], job_ids: Sequence[str]) -> dict[str, JobStatus]:
        """States of those jobs that were asked for."""
        found = {}
        for shown, job in jobs.items():
            job_id = same_job(shown, job_ids)
            if job_id is not None:
                status = _state(job)
                # some installations, and Slurm's own qstat, keep the exit status to themselves
                unknown = status.terminal and status.exit_code is None
                found[job_id] = self._by_exit_code(self._record(job_id)) if unknown else status
        return found

    def _cancel_command(self, job_ids: Sequence[str]) -> str:
        return f"qdel {listed(job_ids)}"


def full_display(text: str) -> dict[str, dict[str, str]]:
    """Attributes of jobs by their ids, from what ``qstat -f`` writes.

    Examples
    --------
    >>> full_display("Job Id: 7.server\\n    job_state = C\\n    comment = a long\\n\\tone\\n")
    {'7.server': {'job_state': 'C', 'comment': 'a longone'}}
    """
    jobs: dict[str, dict[str, str]] = {}
    job: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        if line.startswith("Job Id:"):
            job, last = jobs.setdefault(line.partition(":")[2].strip(), {}), ""
        elif match := _ATTRIBUTE.fullmatch(line):
            last = match[1]
            job[last] = match[2]
        elif last and line.strip():
            job[last] += line.strip()
    return jobs


def _state(job: Mapping[str, Any]) -> JobStatus:
    state = STATES.get(job.get("job_state", ""), JobState.UNKNOWN)
    comment = job.get("comment")
    if state is not JobState.COMPLETED:
        return JobStatus(state, None if state is JobState.RUNNING else comment)
    found = job.get("Exit_status", job.get("exit_status"))
    code = None if found is None else int(found)
    if code in _WALLTIME_EXCEEDED:
        return JobStatus(JobState.TIMEOUT, comment, exit_code=code)
    if code is None or code == _TERMINATED or (str(job.get("substate")) == _DELETED and code > 128):
        return JobStatus(JobState.CANCELLED, comment, exit_code=code)
    return ended(code, comment if code else None)


def same_job(shown: str, job_ids: Sequence[str]) -> str | None:
    """Find the id of a job that qstat shows, which cuts long names of servers.

    Examples
    --------
    >>> same_job("12.server", ["112.server.site.org", "12.server.site.org"])
    '12.server.site.org'
    """
    number = shown.partition(".")[0]
    return next((i for i in job_ids if i.partition(".")[0] == number and i.startswith(shown.rstrip("*"))), None)
