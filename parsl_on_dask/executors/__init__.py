"""Executors say where apps run."""

from __future__ import annotations

from parsl_on_dask.executors.dask import DaskExecutor
from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
from parsl_on_dask.executors.threads import ThreadPoolExecutor
from parsl_on_dask.importing.lazily import lazily

__all__ = ["DaskExecutor", "HighThroughputExecutor", "ThreadPoolExecutor"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "ExtremeScaleExecutor": "executors.extreme_scale.executor",
        "FluxExecutor": "executors.flux.executor",
        "GlobusComputeExecutor": "executors.globus_compute",
        "IPyParallelExecutor": "executors.ipp",
        "MPIExecutor": "executors.high_throughput.mpi_executor",
        "LowLatencyExecutor": "executors.low_latency.executor",
        "RadicalPilotExecutor": "executors.radical.executor",
        "TaskVineExecutor": "executors.taskvine.executor",
        "WorkQueueExecutor": "executors.workqueue.executor",
    },
)
