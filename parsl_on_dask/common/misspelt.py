"""Texts about keywords that a class, a decorator or ``load()`` does not take."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from parsl_on_dask.common.raising import hide_this_frame
from parsl_on_dask.importing.lazily import by_name

F = TypeVar("F", bound=Callable[..., Any])

#: Arguments by the names that others give them: of concurrent.futures, of Dask, of batch systems.
_ALSO_CALLED: Mapping[str, tuple[str, ...]] = {
    "account": ("allocation", "project"),
    "address": ("scheduler", "scheduler_address"),
    "cores_per_node": ("cores",),
    "cores_per_worker": ("cores", "nthreads", "threads_per_worker"),
    "executors": ("executor",),
    "hosts": ("host", "nodelist"),
    "max_blocks": ("blocks", "max_jobs", "maximum"),
    "max_threads": ("max_workers", "n_threads", "nthreads", "num_threads", "threads"),
    "max_workers_per_block": ("max_workers", "max_workers_per_node", "n_workers", "workers"),
    "max_workers_per_node": (
        "max_threads",
        "max_workers",
        "n_workers",
        "num_workers",
        "nworkers",
        "processes",
        "workers",
        "workers_per_node",
    ),
    "mem_per_node": ("mem", "memory"),
    "mem_per_worker": ("mem", "memory", "memory_limit"),
    "min_blocks": ("min_jobs", "minimum"),
    "nodes_per_block": ("n_nodes", "nodes", "num_nodes"),
    "partition": ("queue",),
    "queue": ("partition",),
    "retries": ("max_retries", "num_retries", "retry"),
    "run_dir": ("rundir", "runinfo"),
    "scheduler_options": ("job_extra", "job_extra_directives"),
    "walltime": ("time", "time_limit"),
    "worker_init": ("env_extra", "job_script_prologue", "prologue", "setup"),
}

#: Arguments of calls that mean something to the kernel.
_OF_CALLS = ("inputs", "outputs", "stdout", "stderr", "walltime", "parsl_resource_specification")

#: Where an argument may belong that was given to another class.
_OWNERS = (
    "config:Config",
    "executors:HighThroughputExecutor",
    "executors:ThreadPoolExecutor",
    "providers:SlurmProvider",
    "providers:LocalProvider",
    "providers:PBSProProvider",
    "launchers:SrunLauncher",
    "dataflow.memoization:BasicMemoizer",
    "monitoring.monitoring:MonitoringHub",
)


def unknown_argument(owner: type, name: str) -> str:
    """The text about a keyword that a class does not take.

    Examples
    --------
    >>> from parsl_on_dask import Config
    >>> unknown_argument(Config, "executor")
    "Config() got an unexpected keyword argument 'executor'. Write executors=."
    """
    known = _keywords(owner)
    text = f"{owner.__name__}() got an unexpected keyword argument {name!r}."
    near = meant(name, known) or meant(name, _accepted(owner))
    if near:
        return f"{text} Write {' or '.join(f'{k}=' for k in near)}."
    for place in _OWNERS:
        other, cls = by_name(place), place.partition(":")[2]
        if issubclass(owner, other):
            continue
        theirs = [name] if name in inspect.signature(other).parameters else meant(name, _keywords(other))
        if theirs:
            return f"{text} It belongs to {_whose(cls)}, {cls}({theirs[0]}=...)."
    return f"{text} It takes {', '.join(known)}."


def meant(name: str, known: Sequence[str]) -> list[str]:
    """Which of some arguments a name may mean that is none of them: one that others use, or one that is misspelt.

    Examples
    --------
    >>> meant("maxworker", ["label", "max_threads"])
    ['max_threads']
    >>> meant("intervall", ["label", "max_threads"])
    []
    """
    names: dict[str, list[str]] = {}
    for k in known:
        names.setdefault(_plain(k), []).append(k)
    for k in known:
        for other in _ALSO_CALLED.get(k, ()):
            names.setdefault(_plain(other), []).append(k)
    wanted = _plain(name)
    near = [wanted] if wanted in names else difflib.get_close_matches(wanted, names, n=3, cutoff=0.8)
    return list(dict.fromkeys(k for one in near for k in names[one]))


def _plain(name: str) -> str:
    """A name without what is written now this way, now that: capitals, underscores, the plural.

    >>> _plain("maxWorkers") == _plain("max_worker")
    True
    """
    return name.lower().replace("_", "").replace("-", "").removesuffix("s")


def _whose(cls: str) -> str:
    for kind in ("Executor", "Provider", "Launcher"):
        if cls.endswith(kind):
            return f"the {kind.lower()}"
    return "the memoizer" if cls.endswith("Memoizer") else f"the {cls}"


def explains(function: F) -> F:
    """Have a function say what to write instead of a keyword that it does not take."""
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def explaining(*args: Any, **kwargs: Any) -> Any:
        unknown = next((name for name in kwargs if name not in known), None) if kwargs else None
        if unknown is not None:
            try:
                raise TypeError(unknown_option(function.__name__, unknown, list(known)))
            except TypeError as e:
                hide_this_frame(e)
                raise
        return function(*args, **kwargs)

    return explaining  # type: ignore[return-value]


def unknown_option(function: str, name: str, known: Sequence[str]) -> str:
    """The text about a keyword that a decorator, or ``load()``, does not take.

    Examples
    --------
    >>> unknown_option("python_app", "retries", ["function", "cache", "executors"])
    "python_app() got an unexpected keyword argument 'retries'. Write Config(retries=...), which is for all apps."
    """
    text = f"{function}() got an unexpected keyword argument {name!r}."
    near = meant(name, known)
    if function == "load":
        if near:
            return f"{text} Write {near[0]}=."
        config = importlib.import_module("parsl_on_dask.config").Config
        return f"{text} Write parsl.load(Config({(meant(name, _accepted(config)) or [name])[0]}=...))."
    if _plain(name) in ("executor", "label", "site"):
        return f"{text} Write executors=['label']."
    if near:
        return f"{text} Write {near[0]}=."
    of_config = meant(name, ("retries", "retry_handler"))
    if of_config:
        return f"{text} Write Config({of_config[0]}=...), which is for all apps."
    if _plain(name) in ("memoize", "memo", "appcache", "cached"):
        return f"{text} Write cache=True."
    of_call = ["walltime"] if name == "timeout" else meant(name, _OF_CALLS)
    if of_call:
        return f"{text} Make it a parameter of the function, def f(..., {of_call[0]}=...), or give it in the call."
    if name in ("cores", "memory", "disk", "gpus", "priority", "resources", "workers", "num_nodes", "pure"):
        return f"{text} What a call needs is given in the call, parsl_resource_specification={{...}}."
    return f"{text} It takes {', '.join(known)}."


def check_keywords(owner: type, given: Mapping[str, Any]) -> None:
    """Raise a TypeError that says what to write, when a class does not take one of these keywords."""
    parameters = inspect.signature(owner.__init__).parameters  # type: ignore[misc]
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for name in given:
        if name not in parameters or parameters[name].kind is inspect.Parameter.POSITIONAL_ONLY:
            raise TypeError(unknown_argument(owner, name))


def _keywords(owner: type) -> list[str]:
    """Names of what a class takes today."""
    old: frozenset[str] = getattr(owner, "_legacy_arguments", frozenset())
    return [name for name in _accepted(owner) if name not in old]


def _accepted(owner: type) -> list[str]:
    """Names of what a class takes, those of the past included."""
    parameters = list(inspect.signature(owner.__init__).parameters.values())[1:]  # type: ignore[misc]
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in parameters if p.kind in kinds]
