"""Blocks of workers on the machine that the script runs on."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from parsl_on_dask.arguments import need, need_number, wrong_value
from parsl_on_dask.channels.base import Channel, check_channel, takes_channel
from parsl_on_dask.dialect import old_defaults
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.launchers.errors import BadLauncher
from parsl_on_dask.launchers.launchers import SingleNodeLauncher
from parsl_on_dask.legacy import note_once, warn_once
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.providers.errors import ScriptPathError, SubmitException
from parsl_on_dask.utils import RepresentationMixin

logger = logging.getLogger("parsl.providers.local.local")


class LocalProvider(ExecutionProvider, RepresentationMixin):
    """Gives blocks of workers on this machine.

    Where the behaviour comes from: Parsl's ``parsl.providers.local``.

    Parameters
    ----------
    nodes_per_block : int
        Default 1. This machine is every node.
    launcher : Launcher
        Default ``SingleNodeLauncher()``.
    init_blocks, min_blocks, max_blocks : int
        Blocks at the start (default 1), at the least when idle (0), at the most (1).
    worker_init : str
        Shell text that runs before the workers start, for example ``"source env/bin/activate"``.
    cmd_timeout : float
        Seconds that a block's processes have to end after they are told to. Default 30.
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

    @takes_channel
    @old_defaults
    def __init__(
        self,
        nodes_per_block: int = 1,
        launcher: Launcher | None = None,
        init_blocks: int = 1,
        min_blocks: int = 0,
        max_blocks: int = 1,
        worker_init: str = "",
        cmd_timeout: float = 30,
        parallelism: float = 1,
        *,
        channel: Channel | None = None,
        walltime: str | None = None,
        move_files: bool | None = None,
    ) -> None:
        owner = type(self).__name__
        check_channel(owner, channel)
        check_blocks(owner, nodes_per_block, init_blocks, min_blocks, max_blocks, parallelism)
        need(
            owner,
            "worker_init",
            worker_init,
            str,
            type(None),
            hint="Write shell text, for example 'module load python'.",
        )
        need_number(owner, "cmd_timeout", cmd_timeout, kind=float, above=0, optional=True, example="30")
        if launcher is not None and (not callable(launcher) or isinstance(launcher, type)):
            raise BadLauncher(launcher)
        for name, value in (("walltime", walltime), ("move_files", move_files)):
            if value is not None:
                warn_once(f"LocalProvider.{name}", f"LocalProvider({name}=) has no effect any more; leave it out.")
        if cmd_timeout != 30:
            note_once("local.cmd_timeout", "LocalProvider(cmd_timeout=) is not used: blocks start without a command")
        self.nodes_per_block = nodes_per_block
        self.launcher = SingleNodeLauncher() if launcher is None else launcher
        self.init_blocks = init_blocks
        self.min_blocks = min_blocks
        self.max_blocks = max_blocks
        self.worker_init = worker_init or ""
        self.cmd_timeout = cmd_timeout
        self.parallelism = parallelism
        self.channel = channel
        self.walltime = walltime
        self.move_files = move_files
        self.script_dir = None
        self.cores_per_node = None
        self.mem_per_node = None
        self.resources: dict[str, dict[str, Any]] = {}

    @property
    def label(self) -> str:
        """Always ``"local"``."""
        return "local"

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two questions after the states of jobs."""
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
        text = self.launcher(command, tasks_per_node, self.nodes_per_block, script_dir)
        try:
            with open(path, "w") as file:
                file.write(f"{self.worker_init}\nexport JOBNAME={shlex.quote(job_name)}\n{text}")
            with open(path + ".ec", "w") as file:
                file.write("-")
        except OSError as error:
            raise ScriptPathError(path, error) from error
        script = shlex.quote(path)
        try:
            process = subprocess.Popen(
                ["/bin/bash", "-c", f"bash {script} >{script}.out 2>{script}.err; echo $? >{script}.ec"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise SubmitException(job_name, f"/bin/bash cannot be started: {error}") from error
        job_id = str(process.pid)
        self.resources[job_id] = {
            "job_id": job_id,
            "remote_pid": process.pid,
            "process": process,
            "script_path": path,
            "status": JobStatus(JobState.RUNNING),
        }
        logger.debug("Job %s runs %s", job_id, path)
        return job_id

    def status(self, job_ids: Sequence[Any]) -> list[JobStatus]:
        """Return the states of jobs, in the order of their ids."""
        return [self._look(self.resources[job_id]) for job_id in job_ids]

    def cancel(self, job_ids: Sequence[Any]) -> list[bool]:
        """End jobs and all their processes: SIGTERM first, SIGKILL after ``cmd_timeout`` seconds."""
        running = [job for job in (self.resources[i] for i in job_ids) if not self._look(job).terminal]
        for job in running:
            job["cancelled"] = True
            _signal_group(job["remote_pid"], signal.SIGTERM)
        limit = self.cmd_timeout
        deadline = time.monotonic() + (limit or 0)
        for job in running:
            try:
                job["process"].wait(None if limit is None else max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("Job %s did not end within %s s and is killed", job["job_id"], limit)
            _signal_group(job["remote_pid"], signal.SIGKILL)
            job["process"].wait()
            job["status"] = JobStatus(JobState.CANCELLED)
        return [True] * len(job_ids)

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
        job["status"] = status
        return status

    def __getstate__(self) -> dict[str, Any]:
        # jobs belong to the process that started them
        return {**self.__dict__, "resources": {}}


def check_blocks(
    owner: str, nodes_per_block: Any, init_blocks: Any, min_blocks: Any, max_blocks: Any, parallelism: Any
) -> None:
    """Raise unless the numbers that every provider has make sense together."""
    need_number(owner, "nodes_per_block", nodes_per_block, at_least=1, example="1")
    need_number(owner, "init_blocks", init_blocks, at_least=0, example="1")
    need_number(owner, "min_blocks", min_blocks, at_least=0, example="0")
    need_number(owner, "max_blocks", max_blocks, at_least=0, example="1")
    need_number(owner, "parallelism", parallelism, kind=float, at_least=0, example="1")
    if min_blocks > max_blocks:
        raise wrong_value(owner, "min_blocks", min_blocks, f"min_blocks must not be above max_blocks={max_blocks}.")


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass
