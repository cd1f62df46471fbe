"""Descriptions of executors and providers become Dask clusters."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parsl_on_dask.clusters.base import Cluster


def open_cluster(executor: Any) -> Cluster:
    """Start or join the cluster that an executor describes.

    Raises
    ------
    ExecutorError
        When it cannot be started or reached.
    """
    if executor.kind == "existing":
        from parsl_on_dask.clusters.existing import ExistingCluster

        return ExistingCluster(executor)
    if not hasattr(os, "fork"):
        from parsl_on_dask.clusters.spawned import SpawnedCluster

        return SpawnedCluster(executor)
    from parsl_on_dask.clusters.local import LocalCluster

    return LocalCluster(executor)
