"""Says what a configuration becomes in Dask, without starting anything.

``explain(config)`` tells it in Python. ``python -m parsl_on_dask check FILE``, in
:mod:`parsl_on_dask.check.command`, tells it for a script, a notebook, or a file that defines a Config.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from parsl_on_dask.addresses import find_interface
from parsl_on_dask.common.arguments import short
from parsl_on_dask.common.overrides import cluster_override
from parsl_on_dask.old_spellings.dialect import VARIABLE, release

if TYPE_CHECKING:
    from parsl_on_dask.config import Config


@dataclass
class ExecutorPlan:
    """What one executor becomes.

    Attributes
    ----------
    label, executor : str
        Its label, and the name of its class.
    becomes : str
        What runs its calls.
    facts : dict
        Workers, threads, memory, blocks, by name.
    script : str or None
        The job script of a block, where a batch system runs it.
    config : str
        Which Config it belongs to, where a file has several.
    """

    label: str
    executor: str
    becomes: str
    facts: dict[str, str] = field(default_factory=dict)
    script: str | None = None
    config: str = ""

    def __str__(self) -> str:
        lines = [f"{self.label} ({self.executor}): {self.becomes}"]
        lines += [f"  {name}: {value}" for name, value in self.facts.items()]
        if self.script is not None:
            lines += ["  job script of a block:", textwrap.indent(self.script.rstrip(), "  | ", lambda line: True)]
        return "\n".join(lines)


@dataclass(repr=False)
class Plan:
    """What :func:`explain` and :func:`~parsl_on_dask.check.command.check` found; its ``repr`` is text for people.

    Attributes
    ----------
    executors : list of ExecutorPlan
    old : list of str
        Old spellings, each with the place and today's form.
    without_effect : list of str
        Arguments that are accepted and mean nothing here.
    refused : list of str
        What cannot be used, each with the place and what to write instead.
    unseen : list of str
        How far a file could be run, and why not farther, where that is for reasons of its own.
    not_here : list of str
        Commands, addresses and network interfaces that this machine does not have. A Config can be looked at
        without them, on a machine that it is not for.
    dialect : str or None
        The release of Parsl whose defaults hold, if another than the newest was asked for.
    """

    executors: list[ExecutorPlan] = field(default_factory=list)
    old: list[str] = field(default_factory=list)
    without_effect: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    not_here: list[str] = field(default_factory=list)
    dialect: str | None = None

    def __repr__(self) -> str:
        several = len({plan.config for plan in self.executors}) > 1
        parts, last = [], None
        for plan in self.executors:
            title = f"Config: {plan.config}\n" if several and plan.config != last else ""
            last = plan.config
            parts.append(f"{title}{plan}")
        if self.dialect is not None:
            parts.append(f"Defaults: those of Parsl {self.dialect}, by {VARIABLE} or --dialect")
        for title, found in (
            ("Old spellings, which work", self.old),
            ("Arguments without effect here", self.without_effect),
            ("Refused", self.refused),
            ("Not looked at, and why", self.unseen),
            ("Not on this machine; load the Config where it is", self.not_here),
        ):
            if found:
                parts.append("\n".join([f"{title}:", *(f"  {line}" for line in found)]))
        return "\n\n".join(parts) or "Nothing was found."


def explain(config: Config | None = None) -> Plan:
    """Show what each executor of a Config becomes, without starting anything.

    Parameters
    ----------
    config : Config, optional
        Default: what ``load()`` without arguments takes.

    Examples
    --------
    >>> explain()
    threads (ThreadPoolExecutor): threads of the script's own process
      threads: 2
      arguments and results: shared with the script, not pickled
    """
    from parsl_on_dask.config import Config
    from parsl_on_dask.errors import ParslError

    config = Config() if config is None else config
    found = Plan(dialect=dialect_in_use())
    override = cluster_override()
    for executor in config.executors:
        try:
            validate = getattr(executor, "validate", None)
            if callable(validate):
                validate()  # also what was set after it was made
            stands_in = override is not None and getattr(executor, "kind", "existing") != "existing"
            plan = _plan(_elsewhere(executor) if stands_in else executor)
            if stands_in:
                plan.executor = f"{type(executor).__name__}, by {override}"
            found.executors.append(plan)
            found.not_here += [f"executor {executor.label!r}: {line}" for line in _not_here(plan, executor)]
        except ParslError as e:
            found.refused.append(f"executor {executor.label!r}: {e}")
    return found


def _not_here(plan: ExecutorPlan, executor: Any) -> list[str]:
    """What an executor's jobs need of the machine that submits them, and what this one does not have."""
    if plan.script is None:
        return []
    provider, missing = executor.provider, []
    program = plan.facts.get("submitted by", "").partition(" ")[0]
    if program and shutil.which(program) is None:
        missing.append(f"there is no command {program}, which submits its jobs")
    interface = getattr(getattr(provider, "site", None), "interface", None)
    if interface is not None and getattr(executor, "address", None) is None:
        try:
            find_interface(interface)
        except OSError:
            missing.append(f"there is no network interface {interface!r}, which the site's settings name")
    return missing


def dialect_in_use() -> str | None:
    """The release of Parsl whose defaults hold, None for the newest."""
    chosen = release()
    return None if chosen is None else ".".join(map(str, chosen))


def _elsewhere(executor: Any) -> Any:
    """What takes an executor's place, where the command line says so."""
    from parsl_on_dask.clusters.existing import overridden

    override = cluster_override()
    assert override is not None
    try:
        return overridden(executor, override)
    finally:
        executor._stand_in = None


def _plan(executor: Any) -> ExecutorPlan:
    plan = ExecutorPlan(executor.label, type(executor).__name__, "")
    kind = getattr(executor, "kind", None)
    if kind == "threads":
        plan.becomes = "threads of the script's own process"
        plan.facts["threads"] = str(executor.max_threads or "as many as concurrent.futures takes")
        plan.facts["arguments and results"] = "shared with the script, not pickled"
    elif kind == "existing":
        way = next(n for n in ("address", "client", "cluster", "scheduler_file") if getattr(executor, n) is not None)
        plan.becomes = f"the Dask cluster that exists: {way}={short(getattr(executor, way), 200)}"
        if executor.provider is None:
            plan.facts["workers"] = "those of the cluster, which goes on when the kernel ends"
        else:
            plan.facts["workers"] = "those of the cluster's jobs; a job is a block"
            plan.facts["blocks"] = _blocks(executor.provider)
    elif kind == "processes":
        _plan_blocks(executor, plan)
    else:
        plan.becomes = "runs its calls itself; Dask has no part in it"
    return plan


def _plan_blocks(executor: Any, plan: ExecutorPlan) -> None:
    from parsl_on_dask.clusters import is_beside, is_local
    from parsl_on_dask.clusters.hosts import HostsProvider
    from parsl_on_dask.launchers.launchers import SingleNodeLauncher

    provider = executor.provider
    owner = type(provider).__name__
    where = "on this machine"
    if hasattr(provider, "make_cluster"):
        plan.becomes = (
            f"a {provider.cluster_class} of {provider.package.partition('.')[0]}: its scheduler is there, too"
        )
        plan.facts["workers"] = "one for each block, a machine or a pod"
        provider.check()
    elif is_local(provider):
        if is_beside(provider):
            plan.becomes = f"a Dask scheduler and worker processes {where}"
            plan.facts["workers of a block"] = f"{_workers_here(executor)}, with one thread each"
        else:
            _plan_launched(executor, plan)
        if type(provider.launcher) is not SingleNodeLauncher:
            plan.facts["started through"] = _starter(provider)
        if provider.worker_init:
            plan.facts["before they start"] = short(provider.worker_init)
    elif isinstance(provider, HostsProvider):
        plan.becomes = f"a Dask scheduler {where}, and Dask workers that are started by SSH"
        plan.facts["hosts, a block each"] = ", ".join(provider.hosts)
        plan.facts["workers of a host"] = f"{_workers_there(executor)}, with one thread each"
    else:
        if getattr(executor, "scheduler_in_job", False):
            where = "on the first node of the first block"
        plan.becomes = f"a Dask scheduler {where}, and jobs of {owner}, which run Dask workers"
        plan.facts["nodes of a block"] = str(provider.nodes_per_block)
        plan.facts["workers of a node"] = f"{_workers_there(executor)}, with one thread each"
        plan.script = _script(executor)
        if hasattr(provider, "submission"):
            plan.facts["submitted by"] = provider.submission()
    if not hasattr(provider, "make_cluster"):
        plan.facts["python of a worker"] = _python(executor)
    if getattr(executor, "enable_mpi_mode", False):
        plan.facts.pop("workers of a node", None)
        plan.facts["workers of a block"] = f"{executor.workers_per_node}, with one thread each, on its first node"
        plan.facts["calls at a time"] = (
            f"as many as there are nodes for; {executor.mpi_launcher} starts MPI programs on the nodes of a call"
        )
    if getattr(executor, "by_resources", False):
        plan.facts["calls at a time"] = "as many as the resources of a node allow, by what the calls ask for"
    memory = executor.mem_per_worker
    plan.facts["memory of a worker"] = "not limited" if not memory else f"{memory:g} GB are reckoned with, not limited"
    plan.facts["blocks"] = _blocks(provider)
    plan.facts["connections"] = "TLS" if executor.encrypted else "not encrypted"


def _python(executor: Any) -> str:
    from parsl_on_dask.clusters.blockspec import python_of, site_of
    from parsl_on_dask.launchers.launchers import WrappedLauncher

    provider = executor.provider
    activating = (
        getattr(provider, "worker_init", ""),
        site_of(provider)("prologue"),
        isinstance(getattr(provider, "launcher", None), WrappedLauncher),
        getattr(executor, "launch_prefix", ""),
    )
    own = f"the one that is active there, else {sys.executable}" if any(activating) else sys.executable
    return python_of(executor) or own


def _plan_launched(executor: Any, plan: ExecutorPlan) -> None:
    """What blocks become that a launcher starts from the script's machine."""
    provider = executor.provider
    found = provider.allocation()
    if found is not None:
        where = f"on nodes of the job that the script is in: {found}"
    elif provider.reaches_others:
        where = "on nodes of the job that the script is to run in; here it is in none"
    else:
        where = "on this machine"
    plan.becomes = f"a Dask scheduler on this machine, and Dask workers that a launcher starts {where}"
    all_nodes = provider.label == "allocation" and found is None and provider.nodes_per_block == 1
    plan.facts["nodes of a block"] = "all" if all_nodes else str(provider.nodes_per_block)
    plan.facts["workers of a node"] = f"{_workers_there(executor)}, with one thread each"
    if found is not None and provider.nodes_per_block > len(found.nodes):
        plan.facts["will not start"] = f"a block has more nodes than the {len(found.nodes)} of the job"


def _starter(provider: Any) -> str:
    start = getattr(provider, "start", None)
    return repr(provider.launcher) if start is None else start()


def _blocks(provider: Any) -> str:
    return f"{provider.init_blocks} at the start, {provider.min_blocks} to {provider.max_blocks} by the number of calls"


def _workers_here(executor: Any) -> int:
    from psutil import virtual_memory

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count: int = executor.workers_per_node_for(cores, virtual_memory().available / 2**30)
    return count


def _workers_there(executor: Any) -> str:
    from parsl_on_dask.providers.base import slots_of

    provider = executor.provider
    if getattr(provider, "cores_per_node", None) is not None:
        return str(executor.workers_per_node)
    if slots_of(provider) is not None:
        site = provider.site
        said = [f"{name}: {value}" for name in ("cores", "processes") if (value := getattr(site, name)) is not None]
        return f"{executor.workers_per_node} processes ({', '.join(said)} in jobqueue.{site.config_name})"
    each = f"its cores / {executor.cores_per_worker:g}"
    most = executor.max_workers_per_node
    if executor.available_accelerators:
        most = min(most or len(executor.available_accelerators), len(executor.available_accelerators))
    return each if most in (None, float("inf")) else f"{each}, at the most {most}"


def _script(executor: Any) -> str | None:
    from parsl_on_dask.clusters.blockspec import node_command

    provider = executor.provider
    make = getattr(provider, "script", None)
    if make is None:
        return None
    command = node_command(executor, "/RUN_DIRECTORY", "/RUN_DIRECTORY/nodes/block-0.json")
    before, provider.script_dir = provider.script_dir, "/RUN_DIRECTORY/submit_scripts"
    try:
        text: str = make(command, 1, f"parsl.{executor.label}.block-0")
    finally:
        provider.script_dir = before
    return text.replace("/RUN_DIRECTORY", "RUN_DIRECTORY")
