"""Texts about mistakes that people make easily who know Parsl, or who know Dask.

Nothing here decides whether something is a mistake: the places that find one ask for its text.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

#: Methods of Dask's futures and collections, and of those of others, and what does the same here.
_OF_FUTURES: Mapping[str, str] = {
    "compute": "future.result() waits for the result, and dask.compute(future) works",
    "persist": "the task runs already, and a large result stays on its worker",
    "gather": "future.result() waits for the result",
    "get": "future.result() waits for the result",
    "join": "future.result() waits for the result",
    "wait": "future.result() waits for the result, and concurrent.futures.wait(futures) for many",
    "then": "give the future to another app, or use future.add_done_callback(f)",
    "visualize": "python -m parsl_on_dask visualize shows the graph of a monitored run",
    "release": "the result is let go of with the last reference to its future",
    "retry": "Config(retries=2) runs failed tasks again",
}

#: Methods of Dask's clients and of executors, and what an app has.
_OF_APPS: Mapping[str, str] = {
    "apply": "call it: {name}(...) returns a future",
    "compute": "call it: {name}(...).result()",
    "delayed": "call it: {name}(...) returns a future",
    "delay": "call it: {name}(...) returns a future",
    "map": "call it in a loop, [{name}(x) for x in xs], or use parsl.concurrent.ParslPoolExecutor, which has map()",
    "remote": "call it: {name}(...) returns a future",
    "result": "call it first: {name}(...).result()",
    "run": "call it: {name}(...).result()",
    "starmap": "call it in a loop, [{name}(*x) for x in xs]",
    "submit": "call it: {name}(...) returns a future",
}


def not_an_executor(given: Any) -> str:
    """What to write instead of something that stands where an executor should."""
    if isinstance(given, type):
        return f"Give instances, not classes: executors=[{given.__name__}()]."
    if isinstance(given, str):
        if "://" in given:
            return f"For a Dask cluster write executors=[DaskExecutor({given!r})]."
        return "Write the executor itself, for example executors=[ThreadPoolExecutor(label='threads')]."
    if is_client(given):
        return "For a Dask client write executors=[DaskExecutor(client=client)], or parsl.load(client)."
    if is_cluster(given):
        return "For a Dask cluster write executors=[DaskExecutor(cluster=cluster)], or parsl.load(cluster)."
    if callable(getattr(given, "submit", None)) and callable(getattr(given, "cancel", None)):
        name = type(given).__name__
        return f"A provider belongs to an executor: executors=[HighThroughputExecutor(provider={name}(...))]."
    if type(given).__module__.startswith("concurrent.futures"):
        return "Parsl's executors have the same names: from parsl.executors import ThreadPoolExecutor."
    return "Write a list, for example executors=[ThreadPoolExecutor()]."


def not_a_way(settings: Mapping[str, Any], ways: Sequence[str]) -> str:
    """What to write instead of arguments of ``DaskExecutor`` that do not say where the workers are."""
    from parsl_on_dask.common.misspelt import meant

    name, value = next(iter(settings.items()))
    near = meant(name, ways)
    if name not in ("scheduler", "scheduler_address", "url") and near:
        return f"there is no argument {name}=. Write {near[0]}=."
    if name in ("scheduler", "scheduler_address", "url"):
        return f"{name}= is its first argument. Write DaskExecutor({value!r})."
    if name == "threads_per_worker" or "max_workers_per_node" in meant(name, ("max_workers_per_node",)):
        return (
            f"{name}= does not say where the workers are. For workers on this machine write "
            "HighThroughputExecutor(max_workers_per_node=4), or give DaskExecutor(cluster=LocalCluster(...))."
        )
    return (
        f"{name}= does not say where the workers are. Write for example DaskExecutor('tcp://10.0.0.1:8786'), or "
        f"DaskExecutor(jobqueue='slurm', {name}=...)."
    )


def not_a_provider(given: Any) -> str:
    """What to write instead of something that stands where a provider should."""
    if isinstance(given, type):
        return f"Give an instance, provider={given.__name__}(...)."
    if type(given).__name__.endswith("Launcher"):
        name = type(given).__name__
        return f"A launcher belongs to the provider, for example provider=SlurmProvider(launcher={name}())."
    if is_client(given) or is_cluster(given):
        return "For a Dask client or cluster write DaskExecutor(client=client) or DaskExecutor(cluster=cluster)."
    return "Write for example LocalProvider(), or SlurmProvider('partition')."


def not_a_launcher(given: Any, known: Sequence[str]) -> str:
    """What to write instead of something that stands where a launcher should, one of those that are known."""
    if isinstance(given, type):
        return f"write launcher={given.__name__}()"
    if isinstance(given, str):
        names = [n for n in known if n.lower() == f"{given.lower()}launcher"]
        if names:
            return f"write launcher={names[0]}() from parsl.launchers"
    return "write for example launcher=SingleNodeLauncher() from parsl.launchers"


def not_a_label(owner: str, given: Any) -> str:
    """What to write instead of something that stands where the label of an executor should."""
    if isinstance(given, int) and owner == "ThreadPoolExecutor":
        return f"Write max_threads={given}."
    if isinstance(given, int) and owner == "HighThroughputExecutor":
        return f"Write max_workers_per_node={given}."
    if callable(getattr(given, "submit", None)):
        return f"The first argument is the label: write provider={type(given).__name__}(...)."
    return "Write for example label='cpu'."


def not_a_walltime(given: Any) -> str:
    """What to write instead of something that stands where a walltime of a job should.

    Examples
    --------
    >>> not_a_walltime(90)
    "Write it as HH:MM:SS, for example '01:30:00' for 90 minutes."
    >>> not_a_walltime("1:30")
    "Write it as HH:MM:SS: '01:30:00' or '00:01:30'."
    """
    units = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
    text = str(given).strip().lower()
    found = re.fullmatch(r"(\d+) *([a-z]+?)(?:utes?|ins?|ours?|rs?|ays?|ec|econds?)?", text)
    if found and found[2] in units and int(found[1]):
        return f"Write it as HH:MM:SS: {_clock(int(found[1]) * units[found[2]])!r}."
    if text.isdecimal() and int(text):
        return f"Write it as HH:MM:SS, for example {_clock(int(text) * 60)!r} for {text} minutes."
    parts = re.fullmatch(r"(\d+):(\d\d)", text)
    if parts and int(parts[1]) + int(parts[2]):
        first, second = int(parts[1]), int(parts[2])
        return f"Write it as HH:MM:SS: {_clock(first * 3600 + second * 60)!r} or {_clock(first * 60 + second)!r}."
    if re.fullmatch(r"[0:-]+", text):
        return "A job of no time at all runs nothing. Write it as HH:MM:SS, for example '01:30:00'."
    return "Write it as HH:MM:SS, for example '01:30:00'."


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def is_client(given: Any) -> bool:
    """Whether something is a Dask client, or looks like one."""
    return callable(getattr(given, "submit", None)) and hasattr(given, "scheduler_info")


def is_cluster(given: Any) -> bool:
    """Whether something is a Dask cluster object, or looks like one."""
    return hasattr(given, "scheduler_address") and hasattr(given, "close")


def culprit_in(value: Any, cannot: Callable[[Any], bool]) -> str:
    """Which part of a value cannot be pickled, in words that go on after naming the value; empty if it is the whole.

    - `value`: something that cannot be pickled.
    - `cannot`: tells it of its parts.
    """
    if inspect.isfunction(value):
        named = inspect.getclosurevars(value)
        parts = [
            *((f"its variable {n!r} of the function around it", v) for n, v in named.nonlocals.items()),
            *((f"the global variable {n!r} that it uses", v) for n, v in named.globals.items()),
            *(("a default of its parameters", v) for v in value.__defaults__ or ()),
        ]
    elif isinstance(value, Mapping):
        parts = [(f"its element {k!r}", v) for k, v in value.items()]
    elif isinstance(value, (list, tuple)):
        parts = [(f"its element {i}", v) for i, v in enumerate(value)]
    else:
        parts = [(f"its attribute {n!r}", v) for n, v in getattr(value, "__dict__", {}).items()]
    for name, part in parts[:100]:
        if not inspect.ismodule(part) and cannot(part):
            return f", because of {name}, a {type(part).__name__}"
    return ""


def not_these_keys(keys: Set[str]) -> str:
    """What to use for keys of a resource specification that an executor does not take."""
    if keys & {"num_nodes", "num_ranks", "ranks_per_node", "launcher_options"}:
        return " MPIExecutor takes num_nodes, num_ranks, ranks_per_node and launcher_options."
    if keys & {"cores", "memory", "disk", "gpus", "running_time_min"}:
        return " WorkQueueExecutor takes cores, memory, disk, gpus, priority and running_time_min."
    return ""


def on_a_worker(app: str) -> str:
    """The text about an app that was called on a worker."""
    return (
        f"app {app!r} was called on a worker, where there is no kernel to run it: call it in a join_app or in the "
        f"script, or call its plain function {app}.func(...)"
    )


def operator_on_future(app: str, symbol: str) -> str:
    """The text about an operator between a future and something else."""
    return (
        f"{symbol!r} was used on the future of app {app!r}, which is the promise of a result and not the result: "
        "write future.result(), or give the future to another app, which gets the result"
    )


def called_part(app: str, name: str) -> str:
    """The text about a method that was called on a future."""
    if name in _OF_FUTURES:
        return f"futures of apps have no method {name}(): {_OF_FUTURES[name]} (app {app!r})"
    return (
        f".{name} of the future of app {app!r} is a future itself, and cannot be called: "
        f"write future.result().{name}(...), or call it in another app"
    )


def compared_status(app: str) -> str:
    """The text about the state of one of Dask's futures, looked for in one of ours."""
    return (
        f".status of the future of app {app!r} is a future itself, that of an attribute of the result: write "
        "future.done(), future.exception() or future.task_status()"
    )


def dask_asked_for(app: str, name: str) -> str:
    """The text about an attribute of its own futures that Dask looked for in one of ours."""
    return (
        f"the future of app {app!r} is not one of Dask's futures (it has no {name!r}). Write future.result(), "
        "concurrent.futures.wait(futures) or as_completed(futures), or parsl.progress(futures); "
        "Dask's own functions take it as it is, and distributed.futures_of(futures) gives Dask futures"
    )


def pickled_for_dask(future: str, done: bool) -> str:
    """The text about a future that Dask would have to wait for, or to fetch, where nothing may wait."""
    text = f"{future} is inside something that Dask pickles whole, so that Dask cannot "
    if done:
        return text + "fetch its large result there: call future.result() first, or give Dask future.dask_future"
    return f"{text}wait for it: give it to Dask as an argument, in a list, tuple, set or dict, or call result() first"


def daemonic_worker() -> str:
    """What to set for apps that start processes with ``multiprocessing`` on the workers of a Dask cluster."""
    return (
        "Dask's nannies start workers as daemonic processes, which multiprocessing lets have no children. Set "
        "distributed.worker.daemon to False where the workers are started: DASK_DISTRIBUTED__WORKER__DAEMON=False "
        "dask worker ..., or dask.config.set({'distributed.worker.daemon': False}) before LocalCluster(...); or start "
        "them with dask worker --no-nanny. Workers of HighThroughputExecutor may have children"
    )


def missing_from_app(kind: str, app: str, name: str) -> str:
    """The text about an attribute that apps do not have."""
    text = f"{kind!r} object has no attribute {name!r}"
    hint = _OF_APPS.get(name)
    return text if hint is None else f"{text}. App {app!r} is neither a future nor an executor: {hint.format(name=app)}"
