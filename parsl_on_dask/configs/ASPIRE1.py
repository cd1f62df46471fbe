"""Three nodes for each job of ASPIRE 1 (NSCC Singapore), with a checkpoint of each task."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import MpiRunLauncher
from parsl_on_dask.monitoring import MonitoringHub
from parsl_on_dask.providers import PBSProProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="htex",
            heartbeat_period=15,
            heartbeat_threshold=120,
            worker_debug=True,
            max_workers_per_node=4,
            provider=PBSProProvider(
                launcher=MpiRunLauncher(),
                scheduler_options="#PBS -J 1-10",
                worker_init="",
                nodes_per_block=3,
                min_blocks=3,
                max_blocks=5,
                cpus_per_node=24,
                walltime="24:00:00",
            ),
        )
    ],
    monitoring=MonitoringHub(resource_monitoring_interval=10),
    strategy="simple",
    retries=3,
    memoizer=BasicMemoizer(checkpoint_mode="task_exit"),
)
