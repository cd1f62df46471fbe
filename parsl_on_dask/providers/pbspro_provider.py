"""Blocks of workers from PBS Pro and OpenPBS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from parsl_on_dask.channels.argument import takes_channel
from parsl_on_dask.channels.base import Channel
from parsl_on_dask.common.arguments import need, need_number, passed_on
from parsl_on_dask.jobs.states import JobStatus
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.launchers.launchers import SingleNodeLauncher
from parsl_on_dask.providers.arrays import PBSPRO
from parsl_on_dask.providers.asking import StatusCommandFailed, listed
from parsl_on_dask.providers.defaults import DefaultInt, DefaultStr, given
from parsl_on_dask.providers.torque_provider import UNKNOWN_JOB, TorqueProvider


@takes_channel
class PBSProProvider(TorqueProvider):
    """Gives blocks of workers as jobs of PBS Pro or OpenPBS, by ``qsub``, ``qstat`` and ``qdel``.

    What is left out comes from the site's ``jobqueue.pbs`` settings, when it has any. The behaviour is
    that of Parsl's ``parsl.providers.pbspro`` and dask-jobqueue's ``PBSCluster``.

    Parameters
    ----------
    account, queue : str, optional
        What is charged, and where jobs wait (``qsub -A -q``).
    select_options : str
        More of the ``select`` request, for example ``"ngpus=4"``.
    cpus_per_node : int or None
        The request's ``ncpus``. Default 1. With None, which PBS does not take, only the site's settings can say it.
    launcher : Launcher
        Starts the workers on the job's nodes. Default ``SingleNodeLauncher()``; for several nodes
        ``MpiExecLauncher()``.
    {shared}

    Examples
    --------
    >>> PBSProProvider(nodes_per_block=2, cpus_per_node=32, select_options="ngpus=4").script().splitlines()[6]
    '#PBS -l select=2:ncpus=32:ngpus=4'
    """

    _suffix = ""
    _prefix = ""
    _kind = "pbspro"
    _job_script = "pbs:PBSProBlockJob"
    _launcher: ClassVar[type[Launcher]] = SingleNodeLauncher
    _arrays = PBSPRO

    def __init__(
        self,
        account: str | None = None,
        queue: str | None = None,
        scheduler_options: str = "",
        select_options: str = "",
        worker_init: str = "",
        nodes_per_block: int = 1,
        cpus_per_node: int | None = DefaultInt(1),
        init_blocks: int = 1,
        min_blocks: int = 0,
        max_blocks: int = 1,
        parallelism: float = 1,
        launcher: Launcher | None = None,
        walltime: str = DefaultStr("00:20:00"),
        cmd_timeout: float = 120,
        *,
        config_name: str | None = None,
        jobqueue: Mapping[str, Any] | None = None,
        job_arrays: bool = True,
        channel: Channel | None = None,
    ) -> None:
        if isinstance(cpus_per_node, str) and cpus_per_node.isdecimal():
            cpus_per_node = int(cpus_per_node)
        own = ("select_options", "cpus_per_node", "job_arrays")
        super().__init__(**passed_on(locals(), "own", *own))
        owner = type(self).__name__
        need(owner, "select_options", select_options, str, type(None))
        need_number(owner, "cpus_per_node", cpus_per_node, at_least=1, optional=True, example="32")
        need(owner, "job_arrays", job_arrays, bool)
        self.job_arrays = job_arrays
        self.select_options = select_options or ""
        self.cpus_per_node = cpus_per_node

    def _later_options(self) -> list[str]:
        return [*self.site.directives, *self._raw_options()]

    @property
    def asked_by_arguments(self) -> bool:
        """Whether the arguments say what is asked for, rather than the site's settings."""
        return given(self.cpus_per_node) or bool(self.select_options)

    @property
    def node_slots(self) -> int | None:
        return self.cores_per_node if self.asked_by_arguments else super().node_slots

    def _ask(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        code, out, err = self.execute_wait(f"qstat -x -f -F json {listed(job_ids)}")
        if code != 0 and UNKNOWN_JOB not in err:
            raise StatusCommandFailed(f"qstat failed with exit code {code}: {err.strip() or out.strip()}")
        # jobs may have environments that are not written as JSON has it
        jobs = json.loads(out, strict=False).get("Jobs", {}) if out.strip() else {}
        return self._states(jobs, job_ids)
