"""Blocks of workers from HTCondor."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from parsl_on_dask.channels.base import Channel
from parsl_on_dask.common.arguments import need, need_number
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.providers.asking import ended, listed
from parsl_on_dask.providers.batch import BatchProvider
from parsl_on_dask.providers.defaults import DefaultStr
from parsl_on_dask.providers.scripts import JobScript, complete

#: HTCondor's JobStatus; Parsl takes a held job for a failed one, but it can be released
STATES = {
    1: JobState.PENDING,
    2: JobState.RUNNING,
    3: JobState.CANCELLED,
    4: JobState.COMPLETED,
    5: JobState.HELD,
    6: JobState.RUNNING,
    7: JobState.HELD,
}
_ASKED = "ClusterId,ProcId,JobStatus,ExitCode,ExitBySignal,ExitSignal,HoldReason,RemoveReason"


@complete
@dataclass(eq=False, repr=False)
class CondorProvider(BatchProvider):
    """Gives blocks of workers as jobs of HTCondor, by ``condor_submit``, ``condor_q`` and ``condor_rm``.

    What is left out comes from the site's ``jobqueue.htcondor`` settings, when it has any. The behaviour
    is that of Parsl's ``parsl.providers.condor`` and dask-jobqueue's ``HTCondorCluster``.

    Parameters
    ----------
    nodes_per_block : int
        Slots of one job (``machine_count``). Default 1.
    cores_per_slot : int, optional
        Cores to ask for; workers use no more.
    mem_per_slot : float, optional
        Memory to ask for, in GB.
    environment : dict of str to str, optional
        Environment variables of the job.
    project : str
        What is charged (the attribute ``ProjectName``).
    scheduler_options : str
        More lines for the submit description.
    transfer_input_files : list of str
        Files to take along to the slot.
    walltime : str
        How long a job may run, as ``HH:MM:SS``; HTCondor removes it then. Default: without limit, as it is in Parsl,
        whose ``"00:10:00"`` has no effect.
    requirements : str
        HTCondor's ``requirements``.
    cmd_chunk_size : int
        Jobs that one command asks after. Default 100.
    {shared}

    Examples
    --------
    >>> text = CondorProvider(cores_per_slot=4, mem_per_slot=2).script()
    >>> [line for line in text.splitlines() if line.startswith("Request")]
    ['RequestMemory = 2048', 'RequestCpus = 4']
    """

    _legacy_arguments = frozenset({"channel"})
    _system = "htcondor"
    _job_script = "condor:CondorBlockJob"
    _kind = "condor"
    _names_of_things = ()
    _ends_on_request = True
    _prefix = "parsl."

    nodes_per_block: int = 1
    cores_per_slot: int | None = None
    mem_per_slot: float | None = None
    init_blocks: int = 1
    min_blocks: int = 0
    max_blocks: int = 1
    parallelism: float = 1
    environment: dict[str, str] | None = None
    project: str = ""
    scheduler_options: str = ""
    transfer_input_files: Sequence[str] = ()
    walltime: str | None = None
    worker_init: str = ""
    launcher: Launcher | None = None
    requirements: str = ""
    cmd_timeout: float | None = 60
    cmd_chunk_size: int = 100
    _: KW_ONLY
    config_name: str | None = None
    jobqueue: Mapping[str, Any] | None = None
    channel: Channel | None = None

    def __post_init__(self) -> None:
        # jobs of HTCondor end at a time only on request
        self._walltime = DefaultStr("00:10:00") if self._walltime is None else self._walltime
        super().__post_init__()
        owner = type(self).__name__
        need_number(owner, "cores_per_slot", self.cores_per_slot, at_least=1, optional=True, example="4")
        need_number(owner, "mem_per_slot", self.mem_per_slot, kind=float, above=0, optional=True, example="8")
        need_number(owner, "cmd_chunk_size", self.cmd_chunk_size, at_least=1, example="100")
        need(owner, "environment", self.environment, dict, type(None))
        need(owner, "transfer_input_files", self.transfer_input_files, list, tuple)
        self.cores_per_node, self.mem_per_node = self.cores_per_slot, self.mem_per_slot
        self.environment = self.environment or {}
        self.transfer_input_files = list(self.transfer_input_files)

    @property
    def _batch_size(self) -> int:
        return self.cmd_chunk_size

    def script_path(self, name: str) -> str:
        """Return the file of what the job runs, beside its submit description."""
        return self._path(name) + ".script"

    def output_paths(self, name: str) -> tuple[str, str]:
        stdout, stderr = super().output_paths(name)
        return stdout.replace(".submit.stdout", ".stdout"), stderr.replace(".submit.stderr", ".stderr")

    def _files(self, job: JobScript, name: str) -> dict[str, str]:
        return {**super()._files(job, name), self.script_path(name): job.body()}

    def _ask(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        return self._states("condor_q", job_ids)

    def _look_back(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        return self._states("condor_history", job_ids)

    def _states(self, command: str, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        out = self._query(f"{command} {listed(job_ids)} -json -attributes {_ASKED}")
        jobs = json.loads(out) if out.strip() else []
        return {f"{job['ClusterId']}.{job['ProcId']}": _state(job) for job in jobs}

    def _cancel_command(self, job_ids: Sequence[str]) -> str:
        extra = self.site.others.get("cancel-command-extra") or ()
        return " ".join(["condor_rm", *map(shlex.quote, extra), listed(job_ids)])


def _state(job: Mapping[str, Any]) -> JobStatus:
    state = STATES.get(job.get("JobStatus", 0), JobState.UNKNOWN)
    if state is JobState.COMPLETED:
        return ended(128 + int(job.get("ExitSignal", 0)) if job.get("ExitBySignal") else job.get("ExitCode"))
    if state is JobState.HELD:
        return JobStatus(state, job.get("HoldReason"))
    if state is JobState.CANCELLED:
        reason = job.get("RemoveReason")
        return JobStatus(JobState.TIMEOUT if "PeriodicRemove" in str(reason) else state, reason)
    return JobStatus(state)
