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
        "ExtremeScaleExecutor": "executors.replaced",
        "FluxExecutor": "executors.refused",
        "GlobusComputeExecutor": "executors.globus_compute",
        "IPyParallelExecutor": "executors.replaced",
        "MPIExecutor": "executors.high_throughput.mpi_executor",
        "LowLatencyExecutor": "executors.replaced",
        "RadicalPilotExecutor": "executors.refused",
        "TaskVineExecutor": "executors.task_vine",
        "WorkQueueExecutor": "executors.work_queue",
    },
)
