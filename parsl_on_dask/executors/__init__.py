"""Executors say where apps run."""

from __future__ import annotations

from parsl_on_dask.executors.dask import DaskExecutor
from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
from parsl_on_dask.executors.threads import ThreadPoolExecutor

__all__ = ["DaskExecutor", "HighThroughputExecutor", "ThreadPoolExecutor"]
