"""Work Queue's executor, on Dask's workers."""

from __future__ import annotations

from parsl_on_dask.executors.workqueue.executor import WorkQueueExecutor

__all__ = ["WorkQueueExecutor"]
