"""Blocks of workers from LSF."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from parsl_on_dask.channels.base import Channel
from parsl_on_dask.common.arguments import need, need_number
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.jobs.states import JobState, JobStatus, states_by_word
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.providers.arrays import LSF, ArrayWay
from parsl_on_dask.providers.asking import StatusCommandFailed, ended, listed
from parsl_on_dask.providers.batch import BatchProvider
from parsl_on_dask.providers.defaults import DefaultStr
from parsl_on_dask.providers.directives import Directive
from parsl_on_dask.providers.scripts import complete
from parsl_on_dask.providers.walltimes import minutes, seconds

#: the states of bjobs; Parsl takes suspended jobs for cancelled, but they can go on
STATES = states_by_word(
    {
        JobState.PENDING: "PEND WAIT PROV",
        JobState.RUNNING: "RUN",
        JobState.HELD: "PSUSP USUSP SSUSP",
        JobState.COMPLETED: "DONE",
        JobState.FAILED: "EXIT ZOMBI",
    }
)


@complete
@dataclass(eq=False, repr=False)
class LSFProvider(BatchProvider):
    """Gives blocks of workers as jobs of LSF, by ``bsub``, ``bjobs`` and ``bkill``.

    What is left out comes from the site's ``jobqueue.lsf`` settings, when it has any. The behaviour is
    that of Parsl's ``parsl.providers.lsf`` and dask-jobqueue's ``LSFCluster``.

    Parameters
    ----------
    nodes_per_block : int
        Nodes of one job. Default 1. Without ``request_by_nodes`` it is ``cores_per_block / cores_per_node``.
    cores_per_block, cores_per_node : int, optional
        Cores of one job and of one of its nodes, both wanted when ``request_by_nodes`` is False.
    walltime : str
        How long a job may run, as ``HH:MM:SS``; given to LSF in whole minutes. Default ``"00:10:00"``.
    project, queue : str, optional
        LSF's ``-P`` and ``-q``.
    bsub_redirection : bool
        Submit by ``bsub < FILE``, as many sites want it, instead of ``bsub FILE``. Default False.
    request_by_nodes : bool
        Ask for whole nodes (``-nnodes``) rather than for cores. Default True, unless the site's settings say how
        many cores a node has.
    launcher : Launcher
        Starts the workers on the job's nodes. Default ``SingleNodeLauncher()``; for several nodes
        ``JsrunLauncher()``.
    {shared}

    Examples
    --------
    >>> LSFProvider(nodes_per_block=2, project="bio").script().splitlines()[6:8]
    ['#BSUB -P bio', '#BSUB -nnodes 2']
    """

    _legacy_arguments = frozenset({"channel", "move_files"})
    _system = "lsf"
    _job_script = "lsf:LSFBlockJob"
    _kind = "LSF"
    _arrays = LSF
    _mark = "#BSUB"
    _walltime_units = (3600, 60)

    nodes_per_block: int = 1
    cores_per_block: int | None = None
    cores_per_node: int | None = None
    init_blocks: int = 1
    min_blocks: int = 0
    max_blocks: int = 1
    parallelism: float = 1
    walltime: str | None = DefaultStr("00:10:00")
    scheduler_options: str = ""
    worker_init: str = ""
    project: str | None = None
    queue: str | None = None
    cmd_timeout: float | None = 120
    bsub_redirection: bool = False
    request_by_nodes: bool | None = None
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
        need(owner, "request_by_nodes", self.request_by_nodes, bool, type(None))
        need_number(owner, "cores_per_block", self.cores_per_block, at_least=1, optional=True, example="84")
        need_number(owner, "cores_per_node", self.cores_per_node, at_least=1, optional=True, example="42")
        if self.request_by_nodes is False:
            if self.cores_per_block is None or self.cores_per_node is None:
                raise ConfigurationError(
                    f"{owner}(request_by_nodes=False): cores are asked for by cores_per_block and cores_per_node. "
                    "Write both of them."
                )
            self.nodes_per_block = math.ceil(self.cores_per_block / self.cores_per_node)
        self._nodes_wanted = bool(self.request_by_nodes)
        self.request_by_nodes = self.request_by_nodes is not False

    @property
    def by_cores_of_site(self) -> bool:
        """Whether nodes are asked for by the cores that the site says they have."""
        return bool(self.request_by_nodes) and not self._nodes_wanted and self.site.cores is not None

    @property
    def array_way(self) -> ArrayWay | None:
        # an array is asked for by the name, which the last directive gives
        named = any(text.startswith("-J") for text in self._later_options())
        return None if named else super().array_way

    def _limit(self, walltime: str) -> Directive:
        return Directive(f"-W {walltime}")

    @property
    def written_walltime(self) -> str:
        theirs = self.site.walltime
        if self.own_walltime is None and theirs is not None and theirs.count(":") < 2:
            return theirs
        return str(minutes(seconds(self.walltime) or 0))

    @property
    def node_slots(self) -> int | None:
        return self.cores_per_node or (self.site.slots if self.by_cores_of_site else None)

    def _ask(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        arrays = any("[" in job_id for job_id in job_ids)
        fields = "jobid jobindex stat exit_code" if arrays else "jobid stat exit_code"
        code, out, err = self.execute_wait(f"bjobs -noheader -o '{fields}' {listed(job_ids)}")
        if code != 0 and "is not found" not in err:  # which it says when it has forgotten one of them
            raise StatusCommandFailed(f"bjobs failed with exit code {code}: {err.strip() or out.strip()}")
        found = {}
        for line in out.splitlines():
            words = line.split()
            if arrays and len(words) > 1:
                index = words.pop(1)
                words[0] += f"[{index}]" if index != "0" else ""
            if len(words) >= 2 and words[0] in job_ids:
                state = STATES.get(words[1], JobState.UNKNOWN)
                exit_code = int(words[2]) if len(words) > 2 and words[2].isdigit() else None
                if state is JobState.COMPLETED:
                    found[words[0]] = ended(0)
                elif state is JobState.FAILED:
                    found[words[0]] = JobStatus(state, words[1], exit_code=exit_code)
                else:
                    known = state in (JobState.PENDING, JobState.RUNNING)
                    found[words[0]] = JobStatus(state, None if known else words[1])
        return found

    def _cancel_command(self, job_ids: Sequence[str]) -> str:
        return f"bkill {listed(job_ids)}"
