"""Executors say where apps run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsl_on_dask.importing.lazily import lazily

if TYPE_CHECKING:
    from parsl_on_dask.executors.dask import DaskExecutor
    from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
    from parsl_on_dask.executors.threads import ThreadPoolExecutor

__all__ = ["DaskExecutor", "HighThroughputExecutor", "ThreadPoolExecutor"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "DaskExecutor": "executors.dask",
        "ExtremeScaleExecutor": "executors.replaced",
        "FluxExecutor": "executors.refused",
        "GlobusComputeExecutor": "executors.globus_compute",
        "HighThroughputExecutor": "executors.high_throughput.executor",
        "IPyParallelExecutor": "executors.replaced",
        "LowLatencyExecutor": "executors.replaced",
        "MPIExecutor": "executors.high_throughput.mpi_executor",
        "RadicalPilotExecutor": "executors.refused",
        "TaskVineExecutor": "executors.task_vine",
        "ThreadPoolExecutor": "executors.threads",
        "WorkQueueExecutor": "executors.work_queue",
    },
)
