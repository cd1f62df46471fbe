"""Machines without a batch system, reached by SSH."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from parsl_on_dask.common.arguments import need, need_number, wrong_type
from parsl_on_dask.common.late_threads import beside
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.providers.errors import SubmitException
from parsl_on_dask.providers.local_provider import check_blocks
from parsl_on_dask.providers.pythons import note
from parsl_on_dask.utils import RepresentationMixin

#: Options of every connection: no questions, and an end when the other side is gone.
OPTIONS = ("-o", "BatchMode=yes", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3")
#: Exit code of ssh when it was ssh itself that failed.
SSH_FAILED = 255


class HostSite(NamedTuple):
    """What the workers' side of the hosts is like."""

    python: str | None
    interface: str | None
    local_directory: str | None


class HostsProvider(ExecutionProvider, RepresentationMixin):
    """Gives blocks of workers on machines that can be reached by SSH, one block on each.

    Needs the OpenSSH client here, an SSH login without questions there (a key and an agent, or a key file), and Python
    with this package there. The directories of this machine need not exist there. The connection is the lifeline: when
    it ends, so do the workers. Not in Parsl.

    Parameters
    ----------
    hosts : sequence of str
        As ssh takes them: ``"node1"``, ``"user@10.0.0.2"``, or a name of ``~/.ssh/config``.
    python : str, optional
        Python over there: a path, or a command such as ``"apptainer exec image.sif python"``. Default: the one that
        ``worker_init`` activates, else the same as here.
    ssh_options : sequence of str
        More options for ssh, for example ``["-p", "2222", "-i", "key"]``.
    ssh : str
        The client. Default ``"ssh"``.
    worker_init : str
        Shell text that runs there before the workers start.
    init_blocks, min_blocks, max_blocks : int
        How many of the hosts are used at the start (default: all), at the least when idle (0), at the most (all).
    parallelism : float
        Worker slots wanted for each waiting task. Default 1.
    interface : str, optional
        Network interface that workers listen on, for example ``"eth0"``.
    local_directory : str, optional
        Where workers put temporary files. Default: the system's place.
    cmd_timeout : float
        Seconds that a host's processes have to end after they are told to. Default 10.

    Raises
    ------
    ConfigurationError
        When an argument cannot be used.

    Examples
    --------
    >>> HostsProvider(["node1", "node2"]).max_blocks
    2
    """

    nodes_per_block = 1
    #: what the nodes are told goes through the connection
    takes_stdin = True

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        python: str | None = None,
        ssh_options: Sequence[str] = (),
        ssh: str = "ssh",
        worker_init: str = "",
        init_blocks: int | None = None,
        min_blocks: int = 0,
        max_blocks: int | None = None,
        parallelism: float = 1,
        interface: str | None = None,
        local_directory: str | None = None,
        cmd_timeout: float = 10,
    ) -> None:
        owner = type(self).__name__
        if isinstance(hosts, str) or not isinstance(hosts, Sequence) or not all(isinstance(h, str) for h in hosts):
            raise wrong_type(owner, "hosts", hosts, "a list of str", "Write for example hosts=['node1', 'node2'].")
        for host in hosts:
            if not host or host.startswith("-") or host.split() != [host]:
                raise ConfigurationError(
                    f"{owner}: {host!r} is not the name of a host. Write for example 'node1' or 'me@node1'."
                )
        if not hosts or len(set(hosts)) < len(hosts):
            raise ConfigurationError(f"{owner}(hosts={list(hosts)!r}): name at least one host, and each of them once.")
        need(owner, "worker_init", worker_init, str, hint="Write shell text, for example 'module load python'.")
        need_number(owner, "cmd_timeout", cmd_timeout, kind=float, above=0, example="10")
        self.hosts = list(hosts)
        self.python = python
        self.ssh_options = list(ssh_options)
        self.ssh = ssh
        self.worker_init = worker_init
        self.init_blocks = len(self.hosts) if init_blocks is None else init_blocks
        self.min_blocks = min_blocks
        self.max_blocks = len(self.hosts) if max_blocks is None else min(max_blocks, len(self.hosts))
        self.parallelism = parallelism
        self.interface = interface
        self.local_directory = local_directory
        self.cmd_timeout = cmd_timeout
        check_blocks(self)
        if self.init_blocks > len(self.hosts):
            raise ConfigurationError(f"{owner}: init_blocks={init_blocks} are more than the {len(self.hosts)} hosts.")
        self.script_dir = None
        self.resources: dict[str, dict[str, Any]] = {}

    @property
    def label(self) -> str:
        """Always ``"hosts"``."""
        return "hosts"

    @property
    def status_polling_interval(self) -> int:
        return 1

    @property
    def site(self) -> HostSite:
        """What the hosts are like, as far as it was said."""
        return HostSite(self.python, self.interface, self.local_directory)

    def submit(
        self, command: str, tasks_per_node: int, job_name: str = "parsl.hosts", *, stdin: bytes | None = None
    ) -> str:
        """Run a command on the next host that is free, until it ends or the connection does.

        Parameters
        ----------
        command : str
        tasks_per_node : int
            How many copies of it run.
        job_name : str
        stdin : bytes, optional
            What the command reads first; its standard input then stays open for as long as the connection lasts.

        Returns
        -------
        str
            The job's id: the host, and a number.

        Raises
        ------
        SubmitException
            When no host is free, or there is no ssh.
        """
        taken = {job["host"] for job in self.resources.values() if job["process"].poll() is None}
        free = [host for host in self.hosts if host not in taken]
        if not free:
            raise SubmitException(job_name, f"all {len(self.hosts)} hosts are in use")
        # one that has just failed comes last
        host = min(free, key=lambda h: sum(job["host"] == h for job in self.resources.values()))
        path = os.path.join(os.path.abspath(self.script_dir or "."), f"{job_name}.{time.time()}")
        start = command if tasks_per_node == 1 else "\n".join([f"{command} &"] * tasks_per_node + ["wait"])
        text = (
            f"cd {shlex.quote(os.getcwd())} 2>/dev/null\n{note()}\n{self.worker_init}\n"
            f"export JOBNAME={shlex.quote(job_name)}\n"
        )
        words = [self.ssh, *OPTIONS, *self.ssh_options, host, f"exec bash -c {shlex.quote(text + start)}"]
        with open(path + ".out", "wb") as out, open(path + ".err", "wb") as err:
            try:
                process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=out, stderr=err, start_new_session=True)
            except OSError as error:
                raise SubmitException(
                    job_name, f"{self.ssh!r} cannot be started ({error}); install the OpenSSH client, or give ssh="
                ) from error
        assert process.stdin is not None
        try:
            process.stdin.write(stdin or b"")
            process.stdin.flush()
        except OSError:  # it has ended already, and its error output says why
            pass
        job_id = f"{host}/{len(self.resources)}"
        self.resources[job_id] = {"host": host, "process": process, "path": path, "cancelled": False}
        return job_id

    def status(self, job_ids: Sequence[Any]) -> list[JobStatus]:
        return [self._look(self.resources[job_id]) for job_id in job_ids]

    def _look(self, job: dict[str, Any]) -> JobStatus:
        code = job["process"].poll()
        if code is None:
            return JobStatus(JobState.RUNNING)
        if job["cancelled"]:
            return JobStatus(JobState.CANCELLED)
        state = JobState.COMPLETED if code == 0 else JobState.FAILED
        why = f"ssh could not reach {job['host']}, or lost it" if code == SSH_FAILED else None
        return JobStatus(state, why, exit_code=code, stdout_path=job["path"] + ".out", stderr_path=job["path"] + ".err")

    def cancel(self, job_ids: Sequence[Any]) -> list[bool]:
        """End the connections of jobs; what runs on the other side ends with them."""
        for job in [self.resources[i] for i in job_ids if i in self.resources]:
            job["cancelled"] = True
            process = job["process"]
            if process.poll() is None:
                beside(self._hang_up, process, name="parsl-hang-up")
        return [True] * len(job_ids)

    def _hang_up(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        try:
            process.stdin.close()
        except OSError:
            pass
        try:
            process.wait(self.cmd_timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __getstate__(self) -> dict[str, Any]:
        # connections belong to the process that made them
        return {**self.__dict__, "resources": {}}
