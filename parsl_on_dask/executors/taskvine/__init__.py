"""TaskVine's executor, on Dask's workers."""

from __future__ import annotations

from parsl_on_dask.executors.taskvine.configs import TaskVineFactoryConfig, TaskVineManagerConfig
from parsl_on_dask.executors.taskvine.executor import TaskVineExecutor
from parsl_on_dask.importing.lazily import lazily

__all__ = ["TaskVineExecutor", "TaskVineFactoryConfig", "TaskVineManagerConfig"]

__getattr__, __dir__ = lazily(__name__)
