"""Work Queue's executor, on Dask's workers."""

from __future__ import annotations

from parsl_on_dask.executors.workqueue.executor import WorkQueueExecutor
from parsl_on_dask.importing.lazily import lazily

__all__ = ["WorkQueueExecutor"]

__getattr__, __dir__ = lazily(__name__)
