"""Descriptions of executors and providers become Dask clusters."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parsl_on_dask.clusters.base import Cluster


def open_cluster(executor: Any) -> Cluster:
    """Start or join the cluster that an executor describes.

    Raises ExecutorError when it cannot be started or reached.
    """
    from parsl_on_dask.common import late_threads
    from parsl_on_dask.dask_internals.clients import start_callback_thread

    if late_threads.LATE:
        start_callback_thread()
    if executor.kind == "existing":
        if executor.provider is not None:
            from parsl_on_dask.clusters.jobs_of_cluster import ScaledCluster

            return ScaledCluster(executor)
        from parsl_on_dask.clusters.existing import ExistingCluster

        return ExistingCluster(executor)
    if hasattr(executor.provider, "make_cluster"):
        from parsl_on_dask.clusters.existing import CloudCluster

        return CloudCluster(executor)
    drains = getattr(executor, "drain_period", None)
    if is_local(executor.provider) and not drains and not hasattr(os, "fork"):
        from parsl_on_dask.clusters.spawned import SpawnedCluster

        return SpawnedCluster(executor)
    if not is_beside(executor.provider) or drains:
        from parsl_on_dask.clusters.blocks import BlockCluster

        return BlockCluster(executor)
    from parsl_on_dask.clusters.local import LocalCluster

    return LocalCluster(executor)


def is_local(provider: Any) -> bool:
    """Whether blocks are this machine's own processes, which need nobody to submit them."""
    from parsl_on_dask.providers.local_provider import LocalProvider

    return isinstance(provider, LocalProvider) and type(provider).submit is LocalProvider.submit


def is_beside(provider: Any) -> bool:
    """Whether blocks are processes beside the script, which no launcher starts somewhere else."""
    from parsl_on_dask.launchers.launchers import SimpleLauncher, SingleNodeLauncher

    return is_local(provider) and type(provider.launcher) in (SimpleLauncher, SingleNodeLauncher)
