"""What providers for batch systems have in common."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from parsl_on_dask.channels.argument import check_channel, takes_channel
from parsl_on_dask.channels.base import Channel
from parsl_on_dask.common.arguments import need_number
from parsl_on_dask.jobs.states import JobStatus
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.launchers.errors import BadLauncher
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.providers.errors import SchedulerMissingArgs, ScriptPathError
from parsl_on_dask.providers.local_provider import check_blocks
from parsl_on_dask.providers.walltimes import check_walltime
from parsl_on_dask.utils import execute_wait

logger = logging.getLogger("parsl.providers.cluster_provider")


@takes_channel
class ClusterProvider(ExecutionProvider):
    """Abstract base of providers for batch systems; subclass it for a system of your own.

    A subclass implements ``submit``, ``cancel``, ``status_polling_interval`` and ``_status``, which brings the
    ``"status"`` of the jobs in ``resources`` up to date. The behaviour is that of Parsl's
    ``parsl.providers.cluster_provider``.

    Parameters
    ----------
    label : str
        Name of the kind of provider.
    nodes_per_block : int
        Nodes of one job.
    init_blocks, min_blocks, max_blocks : int
        Blocks at the start, at the least when idle, at the most.
    parallelism : float
        Worker slots wanted for each waiting task.
    walltime : str
        How long a job may run, as ``HH:MM:SS``.
    launcher : Launcher
    cmd_timeout : float or None
        Seconds that a command of the batch system may take; None for no limit. Default 10.
    channel
        Of Parsl's earlier releases: accepted, and reported once; must be a ``LocalChannel``.

    Raises
    ------
    ConfigurationError
        When a number is out of range or the walltime cannot be read.
    BadLauncher
        When ``launcher`` is no launcher.
    """

    _label: str
    walltime: str | None
    launcher: Any

    def __init__(
        self,
        label: str,
        nodes_per_block: int,
        init_blocks: int,
        min_blocks: int,
        max_blocks: int,
        parallelism: float,
        walltime: str | None,
        launcher: Launcher,
        cmd_timeout: float | None = 10,
        *,
        channel: Channel | None = None,
    ) -> None:
        owner = type(self).__name__
        check_channel(owner, channel)
        need_number(owner, "cmd_timeout", cmd_timeout, kind=float, above=0, optional=True, example="30")
        check_walltime(owner, walltime)
        if not callable(launcher) or isinstance(launcher, type):
            raise BadLauncher(launcher)
        self._label = label
        self.nodes_per_block = nodes_per_block
        self.init_blocks = init_blocks
        self.min_blocks = min_blocks
        self.max_blocks = max_blocks
        self.parallelism = parallelism
        check_blocks(self)
        self.walltime = walltime
        self.launcher = launcher
        self.cmd_timeout = cmd_timeout
        self.channel = channel
        self.resources = {}

    @property
    def label(self) -> str:
        return self._label

    def execute_wait(self, cmd: str, timeout: float | None = None) -> tuple[int, str, str]:
        """Run a shell command for at most ``timeout`` seconds, default ``cmd_timeout``.

        Returns
        -------
        (int, str, str)
            Its exit code, stdout and stderr.

        Raises
        ------
        subprocess.TimeoutExpired
            When it took longer; it was killed.
        """
        return execute_wait(cmd, self.cmd_timeout if timeout is None else timeout)

    def _write_submit_script(
        self, template: str, script_filename: str, job_name: str, configs: Mapping[str, Any]
    ) -> None:
        """Fill in a template of :class:`string.Template` and write it to a file (for subclasses)."""
        try:
            text = Template(template).substitute(jobname=job_name, **configs)
        except KeyError as error:
            raise SchedulerMissingArgs(error.args, self.label) from error
        try:
            with open(script_filename, "w") as file:
                file.write(text)
        except OSError as error:
            raise ScriptPathError(script_filename, error) from error

    @abstractmethod
    def _status(self) -> None:
        """Bring the states of all jobs in ``resources`` up to date."""

    def status(self, job_ids: Sequence[Any]) -> list[JobStatus]:
        if job_ids:
            self._status()
        return [self.resources[job_id]["status"] for job_id in job_ids]
