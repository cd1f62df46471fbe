"""Providers from the settings of dask-jobqueue, for those who have a ``jobqueue.yaml`` rather than a Parsl Config."""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from parsl_on_dask.common.arguments import need_choice
from parsl_on_dask.common.misspelt import meant
from parsl_on_dask.common.mistakes import not_a_walltime
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.jobs.states import JobState, JobStatus, states_by_word
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.launchers.launchers import SingleNodeLauncher
from parsl_on_dask.providers.asking import StatusCommandFailed, ended, listed
from parsl_on_dask.providers.batch import BatchProvider
from parsl_on_dask.providers.condor_provider import CondorProvider
from parsl_on_dask.providers.defaults import DefaultStr
from parsl_on_dask.providers.grid_engine_provider import GridEngineProvider
from parsl_on_dask.providers.lsf_provider import LSFProvider
from parsl_on_dask.providers.pbspro_provider import PBSProProvider
from parsl_on_dask.providers.scripts import JobScript
from parsl_on_dask.providers.site import check_settings, read_site, shipped
from parsl_on_dask.providers.slurm_provider import SlurmProvider
from parsl_on_dask.providers.torque_provider import TorqueProvider
from parsl_on_dask.providers.walltimes import seconds

_MOAB_STATES = states_by_word(
    {
        JobState.PENDING: "Idle Starting Staging Migrated",
        JobState.RUNNING: "Running",
        JobState.HELD: "Deferred Hold BatchHold SystemHold UserHold Suspended",
        JobState.COMPLETED: "Completed",
        JobState.CANCELLED: "Removed Vacated",
    }
)
_OAR_STATES = states_by_word(
    {
        JobState.PENDING: "Waiting toLaunch toAckReservation Launching",
        JobState.HELD: "Hold Suspended",
        JobState.RUNNING: "Running Resuming Finishing",
        JobState.COMPLETED: "Terminated",
        JobState.FAILED: "toError Error",
    }
)


@dataclass(eq=False, repr=False)
class JobQueueProvider(BatchProvider):
    """Gives blocks as jobs of one node of OAR or Moab, whose directives are those of dask-jobqueue.

    Where the behaviour comes from: dask-jobqueue's ``OARCluster`` and ``MoabCluster``.

    Parameters
    ----------
    system : str
        ``"oar"`` or ``"moab"``.
    nodes_per_block : int
        Nodes of one job, for the launcher. Default 1; the system is asked for several by the setting
        ``resource_spec``.
    scheduler_options : str
        More lines for the head of the script, each with the system's mark in front.
    config_name : str, optional
        The section of ``jobqueue.yaml`` with the site's settings. Default: the name of the system.
    jobqueue : mapping, optional
        Settings that win over those of ``jobqueue.yaml``, by their names there. ``cores`` and ``memory`` have to be
        in one of the two, as dask-jobqueue wants it.
    {shared}
    """

    _walltime = DefaultStr("00:30:00")
    by_jobqueue = True

    system: str
    init_blocks: int = 1
    min_blocks: int = 0
    max_blocks: int = 1
    parallelism: float = 1
    nodes_per_block: int = 1
    scheduler_options: str = ""
    worker_init: str = ""
    launcher: Launcher | None = None
    cmd_timeout: float | None = 60
    _: KW_ONLY
    config_name: str | None = None
    jobqueue: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        need_choice(type(self).__name__, "system", self.system, ["oar", "moab"])
        oar = self.system == "oar"
        self._system = self._kind = self.system  # type: ignore[misc]
        self._mark = "#OAR" if oar else "#PBS"  # type: ignore[misc]
        # Moab counts in seconds, OAR in hours
        self._job_script = "stock:OARBlockJob" if oar else "stock:MoabBlockJob"  # type: ignore[misc]
        self._walltime_units = (3600, 3600) if oar else (60, 1)  # type: ignore[misc]
        super().__post_init__()

    def _job(self, name: str, command: str, tasks_per_node: int) -> JobScript:
        site = self.site
        if site.cores is None or site.memory_gb is None:
            raise ConfigurationError(
                f"{type(self).__name__}({self.system!r}): the cores and the memory of a node are needed. Write for "
                f"example jobqueue={{'cores': 16, 'memory': '64GB'}}, or both in jobqueue.{site.config_name}."
            )
        return super()._job(name, command, tasks_per_node)

    @property
    def batch_system(self) -> Hashable:
        return type(self), self.system

    def _ask(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        return self._ask_oar(job_ids) if self.system == "oar" else self._ask_moab(job_ids)

    def _ask_oar(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        out = self._query(f"for job in {listed(job_ids)}; do oarstat -J -j $job || exit; done")
        found, rest = {}, out.strip()
        while rest:
            jobs, end = json.JSONDecoder().raw_decode(rest)
            rest = rest[end:].strip()
            found.update({i: _oar_state(job) for i, job in jobs.items() if i in job_ids})
        return found

    def _ask_moab(self, job_ids: Sequence[str]) -> dict[str, JobStatus]:
        out = self._query(f"for job in {listed(job_ids)}; do echo @job $job; checkjob $job 2>&1; done; true")
        found: dict[str, JobStatus] = {}
        for text in out.split("@job ")[1:]:
            job_id, _, lines = text.partition("\n")
            entries = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines.splitlines())}
            if "State" in entries:
                found[job_id.strip()] = _moab_state(entries)
            elif "invalid job" not in lines:  # which is how it says that it has forgotten one
                raise StatusCommandFailed(f"checkjob {job_id.strip()} failed: {lines.strip()}")
        return found

    def _cancel_command(self, job_ids: Sequence[str]) -> str:
        return f"{'oardel' if self.system == 'oar' else 'canceljob'} {listed(job_ids)}"


def _oar_state(job: Mapping[str, Any]) -> JobStatus:
    state = _OAR_STATES.get(str(job.get("state")), JobState.UNKNOWN)
    if state not in (JobState.COMPLETED, JobState.FAILED):
        return JobStatus(state)
    word = str(job.get("exit_code") or "").partition(" ")[0]
    status = int(word) if word.isdigit() else None  # as wait() gives it
    code = None if status is None else (128 + (status & 127) if status & 127 else status >> 8)
    message = str(job.get("message") or "") or None
    return ended(code, message) if state is JobState.COMPLETED else JobStatus(state, message, exit_code=code)


def _moab_state(entries: Mapping[str, str]) -> JobStatus:
    word = (entries["State"].split() or [""])[0]
    state = _MOAB_STATES.get(word, JobState.UNKNOWN)
    code = entries.get("Completion Code", "").partition(" ")[0]
    if state is JobState.COMPLETED:
        if code.upper() == "CNCLD" or "CNCLD" in entries.get("Completion Code", ""):
            return JobStatus(JobState.CANCELLED)
        return ended(int(code) if code.lstrip("-").isdigit() else None)
    return JobStatus(state, word if state is JobState.HELD else None)


#: names of systems: dask-jobqueue's, Parsl's and those in use
SYSTEMS: Mapping[str, Any] = {
    "slurm": SlurmProvider,
    "pbs": PBSProProvider,
    "pbspro": PBSProProvider,
    "openpbs": PBSProProvider,
    "torque": TorqueProvider,
    "lsf": LSFProvider,
    "sge": GridEngineProvider,
    "grid_engine": GridEngineProvider,
    "htcondor": CondorProvider,
    "condor": CondorProvider,
    "oar": JobQueueProvider,
    "moab": JobQueueProvider,
}


def provider_from_jobqueue(system: str, config_name: str | None = None, **settings: Any) -> BatchProvider:
    """Make the provider that submits what dask-jobqueue's cluster of a system would.

    Parameters
    ----------
    system : str
        ``"slurm"``, ``"pbs"``, ``"torque"``, ``"lsf"``, ``"sge"``, ``"htcondor"``, ``"oar"`` or ``"moab"``.
    config_name : str, optional
        The section of ``jobqueue.yaml`` to take settings from. Default: the one of the system.
    **settings
        dask-jobqueue's settings (``queue=``, ``cores=``, ``memory=``, ``walltime=``, ``job_extra_directives=``, …),
        which win over those of the file, and arguments of the system's provider (``nodes_per_block=``,
        ``max_blocks=``, ``launcher=``, …).

    Where neither says anything, what holds is dask-jobqueue's default, not that of Parsl's provider: a walltime of half
    an hour.

    Raises
    ------
    ConfigurationError
        When the system or a setting is not known, or cannot be used.

    Examples
    --------
    >>> provider = provider_from_jobqueue("slurm", queue="debug", cores=16, memory="64GB", walltime="01:00:00")
    >>> provider.site.cores, provider.site.queue
    (16, 'debug')
    """
    try:
        provider_class = SYSTEMS[str(system).lower()]
    except KeyError:
        near = difflib.get_close_matches(str(system).lower(), SYSTEMS, 1)
        raise ConfigurationError(
            f"jobqueue={system!r}: there is no such batch system. {f'Did you mean {near[0]!r}? ' if near else ''}"
            f"There are: {', '.join(map(repr, SYSTEMS))}."
        ) from None
    section = system.lower() if provider_class is JobQueueProvider else provider_class._system
    theirs = {name.replace("-", "_") for name in shipped()[section]} | {"header_skip", "project"}
    arguments = set(inspect.signature(provider_class).parameters) - {"system", "config_name", "jobqueue", "channel"}
    # walltimes in dask-jobqueue's settings are in the system's own form
    jobqueue = {k: v for k, v in settings.items() if k in theirs and (k not in arguments or k == "walltime")}
    own = {k: v for k, v in settings.items() if k in arguments and k not in jobqueue}
    unknown = [name for name in settings if name not in jobqueue and name not in own]
    if unknown:
        near = meant(unknown[0], sorted(theirs | arguments))
        raise ConfigurationError(
            f"jobqueue={system!r} has no setting {unknown[0]!r}. {f'Did you mean {near[0]}? ' if near else ''}"
            f"There are: {', '.join(sorted(theirs | arguments))}."
        )
    walltime = settings.get("walltime")
    if isinstance(walltime, str) and seconds(walltime) is None and not walltime.upper().startswith(("UNLIM", "INF")):
        raise ConfigurationError(f"jobqueue={system!r}, walltime={walltime!r}: {not_a_walltime(walltime)}")
    check_settings(f"jobqueue={system!r}", section, jobqueue)
    if provider_class is SlurmProvider:
        own.setdefault("exclusive", False)  # which dask-jobqueue does not ask for
    elif provider_class is LSFProvider:
        site = read_site(section, config_name, jobqueue, defaults=True)
        own.setdefault("bsub_redirection", bool(site.others.get("use-stdin", True)))
    elif provider_class is PBSProProvider and system.lower() == "pbs":
        # dask-jobqueue's section serves both; the form of the request tells them apart
        spec = read_site(section, config_name, jobqueue, defaults=True).resource_spec or ""
        if spec.startswith("nodes="):
            provider_class = TorqueProvider
    if provider_class is TorqueProvider:
        own.setdefault("launcher", SingleNodeLauncher())
    if provider_class is JobQueueProvider:
        own["system"] = section
    provider: BatchProvider = provider_class(**own, config_name=config_name, jobqueue=jobqueue or None)
    provider.by_jobqueue = True
    return provider
