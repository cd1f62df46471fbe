"""Reads a site's ``jobqueue.<system>`` settings.

dask-jobqueue ships a value for every setting. A provider of Parsl's takes only what somebody wrote, so that it goes on
as Parsl's does where there is no ``jobqueue.yaml``, or only the untouched one. Jobs that are asked for by
``jobqueue=`` have dask-jobqueue's defaults, too.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parsl_on_dask.common.misspelt import meant
from parsl_on_dask.errors import ConfigurationError, OptionalModuleMissing
from parsl_on_dask.old_spellings.legacy import first_time
from parsl_on_dask.providers.directives import attributes_of, directives_of
from parsl_on_dask.providers.worker_args import WorkerOptions, worker_options

logger = logging.getLogger("parsl.providers.site")

#: names that dask-jobqueue still takes, and what they are called now
_RENAMED = {
    "env-extra": "job-script-prologue",
    "job-extra": "job-extra-directives",
    "header-skip": "job-directives-skip",
    "extra": "worker-extra-args",
}
#: settings of dask-jobqueue's own worker command and cluster object, which blocks do not have
WITHOUT_EFFECT = {
    "worker-command": "workers of blocks are started by a command of their own",
    "scheduler-options": "the scheduler is set up by the executor's arguments",
    "shared-temp-directory": "keys are handed over in the run directory",
}
_MEMORY_OF_OAR = "memory-per-core-property-name"
#: what stands in front of a directive
_MARKS = {"slurm": "#SBATCH", "pbs": "#PBS", "moab": "#PBS", "sge": "#$", "lsf": "#BSUB", "oar": "#OAR"}


@dataclass(frozen=True)
class Site:
    """Settings of a site, None (or empty) where the site says nothing.

    Where they come from: dask-jobqueue's ``jobqueue.yaml``.

    - `config_name`: the section of the configuration.
    - `name`: first part of the names of jobs.
    - `python`: shell words that run the workers' Python: a path, or a command such as ``"apptainer exec image.sif
      python"``.
    - `interface`: network interface of scheduler and workers, for example ``"ib0"``.
    - `local_directory`: fast storage on the nodes, for what workers keep on disk; variables in it are the nodes'.
    - `death_timeout`: seconds after which a worker that finds no scheduler gives up.
    - `cores`: cores of a node that workers use.
    - `processes`: worker processes on a node, as dask-jobqueue would start them.
    - `memory`: bytes of a node that workers use.
    - `job_cores`: cores that the batch system is asked for, where these are not ``cores``: ``job-cpu`` of Slurm,
      ``ncpus`` of LSF.
    - `job_memory`: the same of memory, as it is written: ``job-mem`` of Slurm, ``mem`` (bytes) of LSF.
    - `queue`, `account`, `walltime`, `shebang`, `resource_spec`, `log_directory`: ``account`` is the project on systems
      that call it so; ``walltime`` is in the system's own form.
    - `prologue`: shell lines before the workers start.
    - `directives`: more directives, without the system's mark in front. Empty for HTCondor, which has ``attributes``.
    - `attributes`: HTCondor's submit attributes.
    - `skip`: directives that contain one of these are left out.
    - `worker`: what ``worker-extra-args`` say.
    - `others`: every other setting, by its name in the file.
    - `settings`: all settings together, by dask-jobqueue's names of today, for its own job classes.
    """

    config_name: str
    name: str | None = None
    python: str | None = None
    interface: str | None = None
    local_directory: str | None = None
    death_timeout: float | None = None
    cores: int | None = None
    processes: int | None = None
    memory: int | None = None
    job_cores: int | None = None
    job_memory: str | int | None = None
    queue: str | None = None
    account: str | None = None
    walltime: str | None = None
    shebang: str | None = None
    resource_spec: str | None = None
    log_directory: str | None = None
    prologue: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    worker: WorkerOptions = field(default_factory=WorkerOptions)
    others: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def memory_gb(self) -> float | None:
        """Memory of a node that workers use, in GiB."""
        return None if self.memory is None else self.memory / 2**30

    @property
    def slots(self) -> int | None:
        """Calls that a node runs at a time: never fewer than dask-jobqueue's workers have threads.

        Examples
        --------
        >>> Site("slurm", cores=24, processes=1).slots, Site("slurm", cores=28, processes=28).slots, Site("lsf").slots
        (24, 28, None)
        """
        worker = self.worker
        if worker.threads is not None:
            return worker.threads * (worker.processes or self.processes or 1)
        return None if self.cores is None else max(self.cores, self.processes or 1)


@functools.cache
def shipped() -> Mapping[str, Mapping[str, Any]]:
    """dask-jobqueue's own settings, by system; read from its file, since importing it costs a second."""
    import yaml  # type: ignore[import-untyped, unused-ignore]

    found = importlib.util.find_spec("dask_jobqueue")
    if found is None or not found.submodule_search_locations:
        raise OptionalModuleMissing(["dask_jobqueue"], "batch systems need it: pip install 'dask-jobqueue>=0.9'")
    with open(os.path.join(found.submodule_search_locations[0], "jobqueue.yaml")) as file:
        sections: Mapping[str, Mapping[str, Any]] = yaml.safe_load(file)["jobqueue"]
    return sections


def read_site(
    system: str, config_name: str | None = None, given: Mapping[str, Any] | None = None, defaults: bool = False
) -> Site:
    """Read the settings of a site.

    - `system`: dask-jobqueue's name of the batch system, for example ``"slurm"``.
    - `config_name`: section to read, where it is not named as the system. What it leaves out is as dask-jobqueue ships
      it.
    - `given`: settings that win over those of the configuration.
    - `defaults`: whether what nobody wrote is as dask-jobqueue ships it, rather than nothing.

    Raises ConfigurationError when there is no such section, or a setting cannot be understood.
    """
    settings = _section(system, config_name, defaults)
    over = _today({_key(k): v for k, v in (given or {}).items() if v is not None})
    settings = {**_today(settings), **over}
    if "project" in settings and "account" in shipped()[system]:
        settings.setdefault("account", settings.pop("project"))
    if defaults and system in ("pbs", "moab") and not settings.get("account") and "PBS_ACCOUNT" in os.environ:
        settings["account"] = os.environ["PBS_ACCOUNT"]
    name = config_name or system
    for key, why in WITHOUT_EFFECT.items():
        if settings.get(key) and settings[key] != shipped()[system].get(key):
            _warn_once(f"jobqueue.{name}.{key} has no effect here: {why}")
    if system == "oar" and settings.get("memory") and not settings.get(_MEMORY_OF_OAR):
        _warn_once(f"jobqueue.{name}.{_MEMORY_OF_OAR} is not set, so OAR is asked for no memory")
    if not defaults:
        _drop_unknown(name, settings)
    return _site(system, name, settings)


def _drop_unknown(name: str, settings: dict[str, Any]) -> None:
    """Leave out what workers cannot have, for a script that did not ask for dask-jobqueue's settings."""
    try:
        worker_options(settings.get("worker-extra-args"))
    except ValueError as error:
        del settings["worker-extra-args"]
        _warn_once(f"jobqueue.{name}.worker-extra-args has no effect here: {error}")


def _warn_once(text: str) -> None:
    if first_time(text):
        logger.warning("%s", text)


def _today(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by the names that they have now; where both are there, the new one counts."""
    for old, new in _RENAMED.items():
        value = settings.pop(old, None)
        if value and not settings.get(new):
            settings[new] = value
    return settings


def check_settings(owner: str, system: str, given: Mapping[str, Any]) -> None:
    """Raise unless all names are settings of the batch system."""
    known = {name.replace("-", "_") for name in shipped()[system]} | {"header_skip", "project"}
    for name in given:
        if name.replace("-", "_") not in known:
            near = meant(name, list(known))
            hint = f"Did you mean {near[0]}? " if near else ""
            raise ConfigurationError(
                f"{owner}: jobqueue.{system} has no setting {name!r}. {hint}There are: {', '.join(sorted(known))}."
            )


def _key(name: str) -> str:
    return name.replace("_", "-")


def _section(system: str, config_name: str | None, defaults: bool) -> dict[str, Any]:
    """What is written in a section, or with ``defaults`` what holds there."""
    import dask.config

    name = config_name or system
    merged = _found(dask.config.get("jobqueue", {}) or {}, name)
    if merged is None:
        if config_name is not None:
            raise ConfigurationError(
                f"config_name={config_name!r}: the configuration has no section jobqueue.{config_name}. There are: "
                f"{', '.join(sorted({*(dask.config.get('jobqueue', {}) or {}), *shipped()}))}. Configuration files "
                f"are read from {', '.join(map(str, dask.config.paths))}."
            )
        merged = {}
    written = {key: value for key, value in merged.items() if value is not None}
    if defaults:
        return {
            **{k: v for k, v in shipped()[system].items() if v is not None and k != "name"},
            **_named(name, written),
        }
    return _named(name, written) if name not in shipped() else _by_somebody(name, written)


def _by_somebody(name: str, written: dict[str, Any]) -> dict[str, Any]:
    """What is not in a section only because dask-jobqueue was imported, which puts its defaults there."""
    import dask.config

    theirs = shipped()[name]
    if all(value != theirs.get(key) for key, value in written.items()):
        return written
    in_files = _found(dask.config.collect(dask.config.paths).get("jobqueue") or {}, name) or {}
    return {k: v for k, v in written.items() if v != theirs.get(k) or in_files.get(k) == v}


def _named(name: str, written: dict[str, Any]) -> dict[str, Any]:
    """The same without a name of jobs that only dask-jobqueue's defaults have."""
    named = name not in shipped() or "name" in _by_somebody(name, {"name": written.get("name")})
    return written if named else {k: v for k, v in written.items() if k != "name"}


def _found(sections: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    found = sections.get(name, sections.get(_key(name), sections.get(name.replace("-", "_"))))
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"jobqueue.{name} must hold settings by name, not {found!r}.")
    return {_key(k): v for k, v in found.items()}


def _site(system: str, name: str, settings: dict[str, Any]) -> Site:
    left = dict(settings)

    def take(key: str, kind: Any) -> Any:
        value = left.pop(key, None)
        try:
            return None if value is None else kind(value)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"jobqueue.{name}.{key}={value!r} cannot be used: {error}.") from error

    condor = system == "htcondor"
    directives = take("job-extra-directives", attributes_of if condor else lambda v: directives_of(v, _MARKS[system]))
    worker = take("worker-extra-args", worker_options) or WorkerOptions()
    skip = tuple(take("job-directives-skip", _lines) or ())
    prologue = tuple(take("job-script-prologue", _lines) or ())
    log_directory = take("log-directory", lambda path: os.path.abspath(os.path.expandvars(os.path.expanduser(path))))
    cleaned = {
        "log-directory": log_directory,
        "worker-extra-args": [],
        "job-extra-directives": directives or ({} if condor else []),
        "job-directives-skip": skip,
        "job-script-prologue": list(prologue),
        # what dask-jobqueue warns of with each job
        **({} if settings.get(_MEMORY_OF_OAR) else {_MEMORY_OF_OAR: "not_applicable"}),
    }
    death_timeout = take("death-timeout", _time)
    interface, local_directory = take("interface", str), take("local-directory", str)
    return Site(
        config_name=name,
        **{key.replace("-", "_"): take(key, kind) for key, kind in _KINDS.items()},
        interface=worker.interface or interface,
        local_directory=worker.local_directory or local_directory,
        death_timeout=death_timeout if worker.death_timeout is None else worker.death_timeout,
        job_cores=take("job-cpu", _cores) or take("ncpus", _cores),
        job_memory=take("job-mem", _slurm_memory) if system == "slurm" else take("mem", _bytes),
        account=take("account", str) or take("project", str),
        log_directory=log_directory,
        prologue=prologue,
        directives=() if condor else tuple(directives or ()),
        attributes=(directives or {}) if condor else {},
        skip=skip,
        worker=worker,
        others=left,
        settings={**settings, **cleaned},
    )


def _lines(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(line) for line in value if line]


def _cores(value: Any) -> int:
    count = int(value)
    if count < 1 or count != float(value):
        raise ValueError("write a whole number from 1 up")
    return count


def _time(value: Any) -> float:
    from dask.utils import parse_timedelta

    return float(parse_timedelta(value, "s"))


def _bytes(value: Any) -> int:
    from dask.utils import parse_bytes

    return int(parse_bytes(value))


#: Settings that a :class:`Site` has under their own names, and what makes them of what is written.
_KINDS: Mapping[str, Any] = {
    **dict.fromkeys(("name", "python", "queue", "walltime", "shebang", "resource-spec"), str),
    **dict.fromkeys(("cores", "processes"), _cores),
    "memory": _bytes,
}


def _slurm_memory(value: Any) -> str:
    """Memory as Slurm is asked for it; 0 is all of a node's."""
    text = str(value).strip()
    if re.fullmatch(r"\d+(\.\d+)?\s*([KMGT]i?)?B?", text, re.IGNORECASE) is None:
        raise ValueError("write for example 24G")
    return text
