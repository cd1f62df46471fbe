"""The three executors on which every feature test runs, and kernels over them."""

from __future__ import annotations

import contextlib
from typing import Any

import psutil
import pytest

CONFIG_NAMES = ("threads", "processes", "existing")

cluster_processes: list[psutil.Process] = []
"""The scheduler and the nannies of the existing cluster."""


def executor_for(name: str, request: pytest.FixtureRequest, **options: Any) -> Any:
    """A fresh executor of the kind that a config name stands for; its label is the name."""
    from parsl_on_dask.executors import HighThroughputExecutor, ThreadPoolExecutor
    from parsl_on_dask.providers import LocalProvider

    options.setdefault("label", name)
    if name == "threads":
        return ThreadPoolExecutor(max_threads=2, **options)
    if name == "processes":
        options.setdefault("provider", LocalProvider(init_blocks=1, min_blocks=1, max_blocks=1))
        return HighThroughputExecutor(max_workers_per_node=2, address="127.0.0.1", **options)
    from parsl_on_dask.executors import DaskExecutor

    return DaskExecutor(request.getfixturevalue("existing_cluster"), **options)


def load(config: Any) -> Any:
    """A kernel over `config`, loaded."""
    import parsl_on_dask

    return parsl_on_dask.load(config)


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
    return {p for p in psutil.Process().children(recursive=True) if p not in others}
