"""Blocks of workers from Slurm."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from parsl_on_dask.channels.base import Channel
from parsl_on_dask.common.arguments import need_number, wrong_value
from parsl_on_dask.jobs.states import JobState, JobStatus, states_by_word
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.providers.arrays import SLURM
from parsl_on_dask.providers.asking import StatusCommandFailed, listed
from parsl_on_dask.providers.batch import BatchProvider
from parsl_on_dask.providers.defaults import DefaultStr
from parsl_on_dask.providers.directives import Directive
from parsl_on_dask.providers.scripts import JobScript, complete
from parsl_on_dask.providers.walltimes import minutes, seconds

#: Slurm's states, by their names in squeue and sacct; Parsl's table where it has them
STATES = states_by_word(
    {
        JobState.PENDING: "PENDING CONFIGURING REQUEUED REQUEUE_FED",
        JobState.HELD: "REQUEUE_HOLD RESV_DEL_HOLD SUSPENDED STOPPED",
        JobState.FAILED: "SPECIAL_EXIT FAILED NODE_FAIL BOOT_FAIL LAUNCH_FAILED RECONFIG_FAIL OUT_OF_MEMORY REVOKED",
        JobState.RUNNING: "RUNNING COMPLETING RESIZING SIGNALING STAGE_OUT",
        JobState.CANCELLED: "CANCELLED",
        JobState.COMPLETED: "COMPLETED",
        JobState.TIMEOUT: "TIMEOUT DEADLINE PREEMPTED",
    }
)
_QUEUE = "JobArrayID:40,State:30,exit_code:30,Reason:200"


#: What followed the channel when there were channels.
_BEHIND_THE_CHANNEL = (
    "nodes_per_block",
    "cores_per_node",
    "mem_per_node",
    "init_blocks",
    "min_blocks",
    "max_blocks",
    "parallelism",
    "walltime",
    "scheduler_options",
)


@functools.partial(complete, behind=_BEHIND_THE_CHANNEL)
@dataclass(eq=False, repr=False)
class SlurmProvider(BatchProvider):
    """Gives blocks of workers as jobs of Slurm, by ``sbatch``, ``squeue`` (``sacct``) and ``scancel``.

    What is left out comes from the site's ``jobqueue.slurm`` settings, when it has any. The behaviour is that of
    Parsl's ``parsl.providers.slurm`` and dask-jobqueue's ``SLURMCluster``.

    Parameters
    ----------
    partition, account, qos, constraint, clusters : str, optional
        Slurm's options of the same names.
    cores_per_node : int, optional
        Cores to ask for on each node (``--cpus-per-task``, shared out over the tasks of a node); workers use no more.
    mem_per_node : int, optional
        Memory to ask for on each node, in GB.
    gpus_per_node : int, optional
    gres : str, optional
        Slurm's ``--gres``.
    walltime : str
        How long a job may run, as ``HH:MM:SS``; given to Slurm in whole minutes. Default ``"00:10:00"``.
    regex_job_id : str
        Finds the job's id, as the group ``id``, at the beginning of a line that sbatch writes.
    status_batch_size : int
        Jobs that one command asks after. Default 50.
    exclusive : bool
        Ask for nodes that are not shared with other jobs. Default True.
    launcher : Launcher
        Starts the workers on the job's nodes. Default ``SingleNodeLauncher()``; for several nodes
        ``SrunLauncher()``.
    {shared}

    Examples
    --------
    >>> provider = SlurmProvider("debug", nodes_per_block=2, walltime="01:30:00", exclusive=False)
    >>> [line for line in provider.script().splitlines() if "--nodes" in line or "--time" in line]
    ['#SBATCH --nodes=2', '#SBATCH --time=90']
    """

    _legacy_arguments = frozenset({"channel", "move_files"})
    _system = "slurm"
    _job_script = "slurm:SlurmBlockJob"
    _kind = "slurm"
    _names_of_things = ()
    _suffix = ""
    _arrays = SLURM
    _mark = "#SBATCH"

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    clusters: str | None = None
    nodes_per_block: int = 1
    cores_per_node: int | None = None
    mem_per_node: float | None = None
    gpus_per_node: int | None = None
    gres: str | None = None
    init_blocks: int = 1
    min_blocks: int = 0
    max_blocks: int = 1
    parallelism: float = 1
    walltime: str | None = DefaultStr("00:10:00")
    scheduler_options: str = ""
    regex_job_id: str = r"Submitted batch job (?P<id>\S*)"
    worker_init: str = ""
    cmd_timeout: float | None = 10
    status_batch_size: int = 50
    exclusive: bool = True
    launcher: Launcher | None = None
    _: KW_ONLY
    config_name: str | None = None
    jobqueue: Mapping[str, Any] | None = None
    job_arrays: bool = True
    channel: Channel | None = None
    move_files: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        owner = type(self).__name__
        need_number(owner, "cores_per_node", self.cores_per_node, at_least=1, optional=True, example="16")
        need_number(owner, "mem_per_node", self.mem_per_node, above=0, optional=True, example="64")
        need_number(owner, "gpus_per_node", self.gpus_per_node, at_least=0, optional=True, example="1")
        need_number(owner, "status_batch_size", self.status_batch_size, at_least=1, example="50")
        pattern = self.regex_job_id
        try:
            usable = "id" in re.compile(pattern).groupindex
        except re.error as error:
            raise wrong_value(owner, "regex_job_id", pattern, f"not a regular expression: {error}.") from error
        if not usable:
            raise wrong_value(owner, "regex_job_id", pattern, r"it needs a group named id: write (?P<id>\S*).")

    def _limit(self, walltime: str) -> Directive:
        return Directive(f"--time={walltime}", f"-t {walltime}")

    @property
    def written_walltime(self) -> str:
        if self.own_walltime is None and self.site.walltime is not None:
            return self.site.walltime
        return str(minutes(seconds(self.walltime) or 0))

    @property
    def _batch_size(self) -> int:
        return self.status_batch_size

    @property
    def batch_system(self) -> Hashable:
        return type(self), self.clusters

    def _job_id(self, job: JobScript, out: str) -> str | None:
        found = (re.match(self.regex_job_id, line) for line in out.splitlines())
        return next((match.group("id") for match in found if match), None)

    def _adopt(self, name: str) -> str | None:
        try:
            out = self._query(self._command("squeue", f"--noheader --name={shlex.quote(name)} --format=%F"))
        except Exception:
            return None
        return next((word for word in out.split() if word.isdigit()), None)

    def _command(self, command: str, arguments: str) -> str:
        return (
            f"{command} --clusters={shlex.quote(self.clusters)} {arguments}"
            if self.clusters
            else f"{command} {arguments}"
        )

    def _ask(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        jobs = listed(job_ids, ",")
        code, out, err = self.execute_wait(
            self._command("squeue", f"--noheader --array --states=all --jobs={jobs} --Format={_QUEUE}")
        )
        if code != 0 and "Invalid job id" not in err:  # which is how it says that it has forgotten all of them
            raise StatusCommandFailed(f"squeue failed with exit code {code}: {err.strip() or out.strip()}")
        found = {}
        for line in out.splitlines():
            job_id, name, exit_code, reason = (line[a:b].strip() for a, b in ((0, 40), (40, 70), (70, 100), (100, 300)))
            if job_id in job_ids:
                found[job_id] = self._state(job_id, name, exit_code, "" if reason == "None" else reason)
        return found

    def _look_back(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        out = self._query(
            self._command(
                "sacct", f"-X --noheader --parsable2 --format=jobid,state,exitcode --jobs={listed(job_ids, ',')}"
            )
        )
        rows = (line.split("|") for line in out.splitlines() if line.count("|") == 2)
        seen = {job_id: self._state(job_id, state.partition(" ")[0], code, "") for job_id, state, code in rows}
        return {job_id: status for job_id, status in seen.items() if status.terminal}

    def _state(self, job_id: str, name: str, exit_code: str, reason: str) -> JobStatus:
        state = STATES.get(name, JobState.UNKNOWN)
        if state is JobState.PENDING and reason.startswith("JobHeld"):
            state = JobState.HELD
        if name == "COMPLETING" and self._record(job_id).get("cancelled"):
            state = JobState.CANCELLED
        status = JobStatus(state)
        if status.terminal:
            status.exit_code = _exit_code(exit_code)
        if state in (JobState.PENDING, JobState.HELD):
            status.message = reason or None
        elif state not in (JobState.RUNNING, JobState.COMPLETED):
            status.message = f"{name}, {reason}" if reason and reason.upper() != name else name
        return status

    def _cancel_command(self, job_ids: Sequence[str]) -> str:
        return self._command("scancel", listed(job_ids))


def _exit_code(text: str) -> int | None:
    """Exit code as a shell has it, from Slurm's ``code:signal`` or from the status that ``wait`` gives.

    Examples
    --------
    >>> _exit_code("3:0"), _exit_code("0:9"), _exit_code("768")
    (3, 137, 3)
    """
    code, colon, number = text.partition(":")
    try:
        if colon:
            return 128 + int(number) % 128 if int(number) and not int(code) else int(code)
        raw = int(code)
    except ValueError:
        return None
    return 128 + (raw & 0x7F) if raw & 0x7F else raw >> 8
