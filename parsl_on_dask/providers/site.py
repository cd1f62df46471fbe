"""What a site's ``jobqueue.<system>`` settings say: the part of them that somebody wrote.

dask-jobqueue ships a value for every setting. Only those that differ from its own are taken for the site's, so
that a provider goes on as Parsl's does where there is no ``jobqueue.yaml`` or only the untouched one.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parsl_on_dask.errors import ConfigurationError, OptionalModuleMissing
from parsl_on_dask.misspelt import meant

logger = logging.getLogger("parsl.providers.site")

#: names that dask-jobqueue still takes, and what they are called now
_RENAMED = {
    "env-extra": "job-script-prologue",
    "job-extra": "job-extra-directives",
    "header-skip": "job-directives-skip",
    "extra": "worker-extra-args",
}
#: settings of dask-jobqueue's own worker command and cluster object, which blocks do not have
_WITHOUT_EFFECT = {
    "worker-command": "workers of blocks are started by a command of their own",
    "worker-extra-args": "workers of blocks are set up by the executor's arguments",
    "scheduler-options": "the scheduler is set up by the executor's arguments",
    "shared-temp-directory": "keys are handed over in the run directory",
    "name": "jobs are named after their blocks",
}


@dataclass(frozen=True)
class Site:
    """Settings of a site, None (or empty) where the site says nothing.

    Where they come from: dask-jobqueue's ``jobqueue.yaml``.

    Attributes
    ----------
    config_name : str
        The section of the configuration.
    python : str or None
        The Python that runs the workers.
    interface : str or None
        Network interface of scheduler and workers, for example ``"ib0"``.
    local_directory : str or None
        Fast storage on the nodes, for what workers keep on disk.
    death_timeout : float or None
        Seconds after which a worker that finds no scheduler gives up.
    cores : int or None
        Cores of a node.
    memory_gb : float or None
        Memory of a node in GiB.
    processes : int or None
        Worker processes on a node.
    queue, account, walltime, shebang, resource_spec, log_directory : str or None
        ``account`` is the project on systems that call it so; ``walltime`` is in the system's own form.
    prologue : tuple of str
        Shell lines before the workers start.
    directives : tuple of str
        More directives, without the system's mark in front. Empty for HTCondor, which has ``attributes``.
    attributes : mapping
        HTCondor's submit attributes.
    skip : tuple of str
        Directives that contain one of these are left out.
    others : mapping
        Every other setting that was changed, by its name in the file.
    """

    config_name: str
    python: str | None = None
    interface: str | None = None
    local_directory: str | None = None
    death_timeout: float | None = None
    cores: int | None = None
    memory_gb: float | None = None
    processes: int | None = None
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
    others: Mapping[str, Any] = field(default_factory=dict)


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


def read_site(system: str, config_name: str | None = None, given: Mapping[str, Any] | None = None) -> Site:
    """Read the settings of a site.

    Parameters
    ----------
    system : str
        dask-jobqueue's name of the batch system, for example ``"slurm"``.
    config_name : str, optional
        Section to read, where it is not named as the system. What it leaves out is as dask-jobqueue ships it.
    given : mapping, optional
        Settings that win over those of the configuration.

    Raises
    ------
    ConfigurationError
        When there is no such section, or a setting cannot be understood.
    """
    defaults = shipped()[system]
    written = _section(system, config_name)
    # of a section that dask-jobqueue ships it cannot be seen who wrote what; one of another name is the site's
    same = defaults if config_name in (None, *shipped()) else {}
    changed = {k: v for k, v in written.items() if v is not None and v != same.get(k)}
    changed.update({_key(k): v for k, v in (given or {}).items() if v is not None})
    for old, new in _RENAMED.items():
        if changed.get(old):
            changed.setdefault(new, changed[old])
        changed.pop(old, None)
    if "project" in changed and "account" in defaults:
        changed.setdefault("account", changed.pop("project"))
    for name, why in _WITHOUT_EFFECT.items():
        if changed.get(name):
            logger.warning("jobqueue.%s.%s has no effect here: %s", config_name or system, name, why)
    return _site(config_name or system, changed)


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


def _section(system: str, config_name: str | None) -> dict[str, Any]:
    import dask.config

    sections = dask.config.get("jobqueue", {}) or {}
    name = config_name or system
    found = sections.get(name, sections.get(_key(name), sections.get(name.replace("-", "_"))))
    if found is None:
        if config_name is None:
            return {}
        raise ConfigurationError(
            f"config_name={config_name!r}: the configuration has no section jobqueue.{config_name}. There are: "
            f"{', '.join(sorted({*sections, *shipped()}))}. Configuration files are read from "
            f"{', '.join(map(str, dask.config.paths))}."
        )
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"jobqueue.{name} must hold settings by name, not {found!r}.")
    return {_key(k): v for k, v in found.items()}


def _site(name: str, changed: dict[str, Any]) -> Site:
    def take(key: str, kind: Any) -> Any:
        value = changed.pop(key, None)
        try:
            return None if value is None else kind(value)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"jobqueue.{name}.{key}={value!r} cannot be used: {error}.") from error

    directives = changed.pop("job-extra-directives", None) or ()
    attributes = dict(directives) if isinstance(directives, Mapping) else {}
    cores = take("cores", int)
    memory = take("memory", _gib)
    return Site(
        config_name=name,
        python=take("python", str),
        interface=take("interface", str),
        local_directory=take("local-directory", str),
        death_timeout=take("death-timeout", _time),
        cores=take("job-cpu", int) or take("ncpus", int) or cores,
        memory_gb=_asked(changed.get("job-mem")) or _asked(changed.get("mem")) or memory,
        processes=take("processes", int),
        queue=take("queue", str),
        account=take("account", str) or take("project", str),
        walltime=take("walltime", str),
        shebang=take("shebang", str),
        resource_spec=take("resource-spec", str),
        log_directory=take("log-directory", lambda path: os.path.abspath(os.path.expandvars(os.path.expanduser(path)))),
        prologue=tuple(take("job-script-prologue", _lines) or ()),
        directives=() if attributes else tuple(_lines(directives)),
        attributes=attributes,
        skip=tuple(take("job-directives-skip", _lines) or ()),
        others=changed,
    )


def _lines(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(line) for line in value if line]


def _time(value: Any) -> float:
    from dask.utils import parse_timedelta

    return float(parse_timedelta(value, "s"))


def _gib(value: Any) -> float:
    from dask.utils import parse_bytes

    return float(parse_bytes(value)) / 2**30


def _asked(value: Any) -> float | None:
    """GiB of what Slurm or LSF is asked for: in Slurm K, M, G and T are powers of 1024 and M is left out."""
    if value is None:
        return None
    text = str(value).strip().upper().removesuffix("B")
    if isinstance(value, int):
        return value / 2**30  # LSF's mem is in bytes
    power = {"K": -2, "M": -1, "G": 0, "T": 1}.get(text[-1:], -1)
    try:
        return float(text.rstrip("KMGT")) * 1024.0**power
    except ValueError:
        raise ConfigurationError(f"job-mem={value!r} cannot be used: write for example 24G.") from None
