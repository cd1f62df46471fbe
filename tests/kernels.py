"""The three executors on which every feature test runs, and kernels over them."""

from __future__ import annotations

import contextlib
import weakref
from typing import Any

import psutil
import pytest

from parsl_on_dask import clusters
from tests import interpreters
from tests.helpers import WAIT, eventually

CONFIG_NAMES = ("threads", "processes", "existing")

on_warm_workers: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""Executors that do not start workers of their own, and the cluster that they use."""

cluster_processes: list[psutil.Process] = []
"""The scheduler and the nannies of the existing cluster, and the supervisor of the warm workers."""


def executor_for(name: str, request: pytest.FixtureRequest | None, warm: bool | None = None, **options: Any) -> Any:
    """A fresh executor of the kind that a config name stands for; its label is the name.

    One of processes gets the worker processes that run already when it is to be `warm`, or all of its module are.
    """
    from parsl_on_dask.executors import HighThroughputExecutor, ThreadPoolExecutor
    from parsl_on_dask.providers import LocalProvider

    options.setdefault("label", name)
    if name == "threads":
        return ThreadPoolExecutor(max_threads=2, **options)
    if name == "processes":
        options.setdefault("provider", LocalProvider(init_blocks=1, min_blocks=1, max_blocks=1))
        executor = HighThroughputExecutor(max_workers_per_node=2, address="127.0.0.1", **options)
        if warm is None:
            warm = request is not None and getattr(request.module, "WARM", False)
        if warm and request is not None and executor.label == name:
            on_warm_workers[executor] = request.getfixturevalue("warm_workers")
        return executor
    from parsl_on_dask.executors import DaskExecutor

    assert request is not None
    return DaskExecutor(request.getfixturevalue("existing_cluster"), **options)


def open_cluster(executor: Any) -> Any:
    """What the lanes of this process call: as the package's own, but some executors get workers that run already."""
    owner = on_warm_workers.get(executor)
    if owner is None:
        return clusters.open_cluster(executor)
    from tests.warm import WarmCluster

    return WarmCluster(executor, owner)


def load(config: Any) -> Any:
    """A kernel over `config`, loaded. Both workers of the existing cluster are there, if it is over that."""
    import parsl_on_dask

    kernel = parsl_on_dask.load(config)
    lane = getattr(kernel.executors.get("existing"), "lane", None)
    if lane is not None:  # a test before this one may have ended a worker, which a nanny starts again
        eventually(lambda: lane.cluster.roster.slots >= 2, "both workers are there", WAIT)
    return kernel


def unload() -> None:
    """Shut down whatever is loaded and forget it."""
    import parsl_on_dask
    from parsl_on_dask.errors import NoDataFlowKernelError

    try:
        kernel = parsl_on_dask.dfk()
    except NoDataFlowKernelError:
        return
    if not kernel.cleanup_called:
        kernel.cleanup()
    parsl_on_dask.clear()


def own_children() -> set[psutil.Process]:
    """Processes below this one, without those of the existing cluster."""
    others = set(cluster_processes)
    for process in cluster_processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            others.update(process.children(recursive=True))
    others.update(p for p in psutil.Process().children() if p.pid == interpreters.pid())
    return {p for p in psutil.Process().children(recursive=True) if p not in others}
