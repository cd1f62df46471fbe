"""What is said about keywords that a class, a decorator or ``load()`` does not take."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

#: Arguments by the names that others give them: of concurrent.futures, of Dask, of batch systems.
_ALSO_CALLED: Mapping[str, tuple[str, ...]] = {
    "account": ("allocation", "project"),
    "address": ("scheduler", "scheduler_address"),
    "cores_per_node": ("cores",),
    "cores_per_worker": ("cores", "nthreads", "threads_per_worker"),
    "executors": ("executor",),
    "max_blocks": ("blocks", "max_jobs", "maximum"),
    "max_threads": ("max_workers", "n_threads", "nthreads", "num_threads", "threads"),
    "max_workers_per_node": (
        "max_threads",
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
    "run_dir": ("rundir", "runinfo"),
    "scheduler_options": ("job_extra", "job_extra_directives"),
    "walltime": ("time", "time_limit"),
    "worker_init": ("env_extra", "job_script_prologue", "prologue", "setup"),
}

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
    also = [k for k in known if name in _ALSO_CALLED.get(k, ())]
    if also:
        return f"{text} Write {' or '.join(f'{k}=' for k in also)}."
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.75)
    if near:
        return f"{text} Write {' or '.join(f'{k}=' for k in near)}."
    for place in _OWNERS:
        module, _, cls = place.partition(":")
        other = getattr(importlib.import_module(f"parsl_on_dask.{module}"), cls)
        if issubclass(owner, other):
            continue
        if name in inspect.signature(other).parameters:
            return f"{text} It belongs to {_whose(cls)}, {cls}({name}=...)."
    return f"{text} It takes {', '.join(known)}."


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
        for name in kwargs:
            if name not in known:
                raise TypeError(unknown_option(function.__name__, name, list(known)))
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
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    if function == "load":
        return f"{text} Write parsl.load(Config({name}=...))." if not near else f"{text} Write {near[0]}=."
    if name in ("executor", "label", "sites"):
        return f"{text} Write executors=['label']."
    if near:
        return f"{text} Write {near[0]}=."
    if name in ("retries", "retry_handler"):
        return f"{text} Write Config({name}=...), which is for all apps."
    if name in ("inputs", "outputs", "stdout", "stderr", "timeout", "parsl_resource_specification"):
        name = "walltime" if name == "timeout" else name
        return f"{text} Make it a parameter of the function, def f(..., {name}=...), or give it in the call."
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
    parameters = list(inspect.signature(owner.__init__).parameters.values())[1:]  # type: ignore[misc]
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in parameters if p.kind in kinds and p.name not in old]
