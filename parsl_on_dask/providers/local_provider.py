"""Blocks of workers on the machine that the script runs on, or on the nodes of the batch job that it runs in."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from parsl_on_dask.channels.argument import check_channel, takes_channel
from parsl_on_dask.channels.base import Channel
from parsl_on_dask.common.arguments import need, need_number, wrong_value
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.launchers.base import launched
from parsl_on_dask.launchers.errors import BadLauncher
from parsl_on_dask.launchers.launchers import SimpleLauncher, SingleNodeLauncher, SrunLauncher, SrunMPILauncher
from parsl_on_dask.launchers.own_variables import for_launcher, overlaps
from parsl_on_dask.old_spellings.dialect import old_defaults
from parsl_on_dask.old_spellings.legacy import note_once, warn_once
from parsl_on_dask.providers.allocation import SHARES, Allocation, allocation_here, end_of, system_here
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.providers.errors import ScriptPathError, SubmitException
from parsl_on_dask.utils import RepresentationMixin

logger = logging.getLogger("parsl.providers.local.local")


@dataclass(eq=False, repr=False)
class LocalProvider(ExecutionProvider, RepresentationMixin):
    """Gives blocks of workers on this machine, or, in a batch job, on the nodes of that job.

    With ``SingleNodeLauncher`` or ``SimpleLauncher`` all workers are on this machine. Other launchers are started on
    this machine, and the workers are where the launcher starts them: in a script that runs inside ``sbatch``,
    ``salloc``, ``qsub`` or ``bsub``, ``SrunLauncher``, ``MpiExecLauncher``, ``AprunLauncher`` or ``JsrunLauncher`` with
    ``nodes_per_block`` nodes makes a block of nodes of that job. Several such blocks are on different nodes as long as
    there are enough. Workers there know when the job ends. The behaviour is that of Parsl's
    ``parsl.providers.local``.

    Parameters
    ----------
    nodes_per_block : int
        For how many nodes the launcher starts workers. Default 1.
    launcher : Launcher
        Default ``SingleNodeLauncher()``, for which this machine is every node.
    init_blocks, min_blocks, max_blocks : int
        Blocks at the start (default 1), at the least when idle (0), at the most (1).
    worker_init : str
        Shell text that runs before the workers start, for example ``"source env/bin/activate"``.
    cmd_timeout : float
        Seconds that the processes of a launcher have to end after they are told to. Default 30. Not used where there
        is no launcher to wait for.
    parallelism : float
        Worker slots wanted for each waiting task. Default 1.
    channel, walltime, move_files
        Of Parsl's earlier releases: accepted, and reported once. A channel is also accepted as the first
        positional argument, and must be a ``LocalChannel``.

    Raises
    ------
    ConfigurationError
        When a number is out of range.
    BadLauncher
        When ``launcher`` is no launcher.

    Examples
    --------
    >>> LocalProvider(max_blocks=2).max_blocks
    2
    """

    _legacy_arguments = frozenset({"channel", "walltime", "move_files"})

    nodes_per_block: int = 1
    launcher: Any = None
    init_blocks: int = 1
    min_blocks: int = 0
    max_blocks: int = 1
    worker_init: str = ""
    cmd_timeout: float = 30
    parallelism: float = 1
    _: KW_ONLY
    channel: Channel | None = None
    walltime: str | None = None
    move_files: bool | None = None

    def __post_init__(self) -> None:
        owner, launcher = type(self).__name__, self.launcher
        check_channel(owner, self.channel)
        check_blocks(self)
        hint = "Write shell text, for example 'module load python'."
        need(owner, "worker_init", self.worker_init, str, type(None), hint=hint)
        need_number(owner, "cmd_timeout", self.cmd_timeout, kind=float, above=0, optional=True, example="30")
        if launcher is not None and (not callable(launcher) or isinstance(launcher, type)):
            raise BadLauncher(launcher)
        for name, value in (("walltime", self.walltime), ("move_files", self.move_files)):
            if value is not None:
                warn_once(f"LocalProvider.{name}", f"LocalProvider({name}=) has no effect any more; leave it out.")
        if self.cmd_timeout != 30 and type(launcher) in (type(None), SimpleLauncher, SingleNodeLauncher):
            note_once("local.cmd_timeout", "LocalProvider(cmd_timeout=) is not used: blocks start without a command")
        self.launcher = SingleNodeLauncher() if launcher is None else launcher
        self.worker_init = self.worker_init or ""
        self.resources: dict[str, dict[str, Any]] = {}

    @property
    def label(self) -> str:
        """Always ``"local"``."""
        return "local"

    @property
    def status_polling_interval(self) -> int:
        return 5

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.localprovider") -> str:
        """Run a command in the background on this machine.

        The script, and beside it what it writes and its exit code (``.out``, ``.err``, ``.ec``), are kept in
        ``script_dir``, or in the current directory when that is not set.

        Returns
        -------
        str
            The job's id, which is the number of its process.

        Raises
        ------
        ScriptPathError
            When the script cannot be written.
        SubmitException
            When the shell cannot be started.
        """
        job_name = f"{job_name}.{time.time()}"
        script_dir = os.path.abspath(self.script_dir or ".")
        path = os.path.join(script_dir, job_name + ".sh")
        nodes = self._share()
        text = launched(self._launcher_for(nodes), command, tasks_per_node, self.nodes_per_block, script_dir)
        try:
            lines = [self.worker_init, f"export JOBNAME={shlex.quote(job_name)}", *self._for_launcher(path, nodes)]
            with open(path, "w") as file:
                file.write("\n".join([*lines, text]))
            with open(path + ".ec", "w") as file:
                file.write("-")
            script = shlex.quote(path)
            process = subprocess.Popen(
                ["/bin/bash", "-c", f"bash {script} >{script}.out 2>{script}.err; echo $? >{script}.ec"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            SHARES.give_back(nodes)
            if error.filename == "/bin/bash":
                raise SubmitException(job_name, f"/bin/bash cannot be started: {error}") from error
            raise ScriptPathError(path, error) from error
        job_id = str(process.pid)
        self.resources[job_id] = {
            "job_id": job_id,
            "remote_pid": process.pid,
            "process": process,
            "script_path": path,
            "nodes": nodes,
            "status": JobStatus(JobState.RUNNING),
        }
        logger.debug("Job %s runs %s", job_id, path)
        return job_id

    # -- the batch job that the script is in ---------------------------------------------------

    @property
    def reaches_others(self) -> bool:
        """Whether workers may be on other machines than this one."""
        if type(self.launcher) in (SimpleLauncher, SingleNodeLauncher):
            return False
        return self.nodes_per_block > 1 or getattr(self.launcher, "several_nodes", False) or bool(system_here())

    def allocation(self) -> Allocation | None:
        """The batch job on whose nodes the blocks are; None where there is none, or it does not tell its nodes."""
        if not self.reaches_others:
            return None
        try:
            return allocation_here()
        except (OSError, ValueError) as error:
            logger.warning("The nodes of the batch job that this script runs in are not known: %s", error)
            return None

    def allocation_end(self) -> float | None:
        """When that job ends, in seconds since 1970; None where that is not known."""
        found = self.allocation()
        return None if found is None else end_of(found)

    def _share(self) -> list[str]:
        """The nodes of the allocation that are for a new block; none where it takes all of them, or chooses itself."""
        found = self.allocation()
        if found is None or len(found.nodes) <= self.nodes_per_block or isinstance(self.launcher, SrunMPILauncher):
            return []
        return SHARES.take(found.nodes, self.nodes_per_block)

    def _launcher_for(self, nodes: list[str]) -> Any:
        return self.launcher

    def _for_launcher(self, path: str, nodes: list[str]) -> list[str]:
        """Shell lines with what the launcher's program, and nobody else, is to know."""
        lines = []
        if overlaps(self.launcher):
            # apps may start steps of their own: those would wait for ever for the CPUs of this one
            lines.append(for_launcher("SLURM_OVERLAP", "1"))
        if nodes:
            listed = path + ".hosts"
            with open(listed, "w") as file:
                file.write("".join(f"{node}\n" for node in nodes))
            lines.append(for_launcher("PBS_NODEFILE", shlex.quote(listed), keep=False))
            if isinstance(self.launcher, SrunLauncher):
                lines.append(for_launcher("SLURM_HOSTFILE", shlex.quote(listed), keep=False))
                # what srun makes of that, and would tell apps
                lines.append(for_launcher("SLURM_DISTRIBUTION", "arbitrary", keep=False))
        return lines

    # -- looking after jobs --------------------------------------------------------------------

    def status(self, job_ids: Sequence[Any]) -> list[JobStatus]:
        return [self._look(self.resources[job_id]) for job_id in job_ids]

    def cancel(self, job_ids: Sequence[Any]) -> list[bool]:
        """End jobs and all their processes: SIGTERM first, SIGKILL after ``cmd_timeout`` seconds.

        Returns
        -------
        list of bool
            For each whether it has ended; False for one that another process has started.
        """
        known = [self.resources[i] for i in job_ids if i in self.resources]
        running = [job for job in known if not self._look(job).terminal]
        for job in running:
            job["cancelled"] = True
            _signal_group(job["remote_pid"], signal.SIGTERM)
        limit = self.cmd_timeout
        deadline = None if limit is None else time.monotonic() + limit
        for job in running:
            if not _wait_for_group(job["process"], deadline):
                logger.warning("Job %s did not end within %s s and is killed", job["job_id"], limit)
            _signal_group(job["remote_pid"], signal.SIGKILL)
            job["process"].wait()
            self._over(job, JobStatus(JobState.CANCELLED))
        return [job_id in self.resources for job_id in job_ids]

    def _over(self, job: dict[str, Any], status: JobStatus) -> None:
        job["status"] = status
        SHARES.give_back(job["nodes"])
        job["nodes"] = []

    def _look(self, job: dict[str, Any]) -> JobStatus:
        status: JobStatus = job["status"]
        if status.terminal or job["process"].poll() is None:
            return status
        path = job["script_path"]
        with open(path + ".ec") as file:
            text = file.read().strip()
        if text == "-":
            status = JobStatus(JobState.CANCELLED, None if job.get("cancelled") else "The job's shell was killed")
        else:
            code = int(text) if text.isdigit() else None
            state = JobState.COMPLETED if code == 0 else JobState.FAILED
            message = f"Cannot parse exit code: {text!r}" if code is None else None
            status = JobStatus(state, message, exit_code=code, stdout_path=path + ".out", stderr_path=path + ".err")
        self._over(job, status)
        return status

    def __getstate__(self) -> dict[str, Any]:
        # jobs belong to the process that started them
        return {**self.__dict__, "resources": {}}


LocalProvider.__init__ = old_defaults(LocalProvider.__init__)  # type: ignore[method-assign]
takes_channel(LocalProvider)


def check_blocks(provider: Any, owner: str = "") -> None:
    """Raise unless the numbers that every provider has make sense together."""
    owner = owner or type(provider).__name__
    for name, least in (("nodes_per_block", 1), ("init_blocks", 0), ("min_blocks", 0), ("max_blocks", 0)):
        example = "0" if name == "min_blocks" else "1"
        need_number(owner, name, getattr(provider, name), at_least=least, example=example)
    need_number(owner, "parallelism", provider.parallelism, kind=float, at_least=0, example="1")
    least, most = provider.min_blocks, provider.max_blocks
    if least > most:
        raise wrong_value(owner, "min_blocks", least, f"min_blocks must not be above max_blocks={most}.")


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass


def _wait_for_group(process: subprocess.Popen[bytes], deadline: float | None) -> bool:
    """Wait until all processes of a group have ended; whether they have.

    The first of them may end before those that it has started, which have to pass the news on to other machines.
    """
    while _group_lives(process):
        if deadline is not None and time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is None:
        return True
    try:
        os.killpg(process.pid, 0)
    except OSError:
        return False
    import psutil

    for pid in psutil.pids():  # those that are only to be waited for count in the line above
        try:
            if os.getpgid(pid) == process.pid and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return True
        except (OSError, psutil.Error):
            continue
    return False
