"""Two nodes of Stampede2 (TACC), with files from Globus."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.data_provider.globus import GlobusStaging
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="Stampede2_HTEX",
            max_workers_per_node=2,
            provider=SlurmProvider(
                nodes_per_block=2,
                init_blocks=1,
                min_blocks=1,
                max_blocks=1,
                partition="YOUR_PARTITION",
                scheduler_options="",
                worker_init="",
                launcher=SrunLauncher(),
                walltime="00:30:00",
            ),
            storage_access=[
                GlobusStaging(
                    endpoint_uuid="ceea5ca0-89a9-11e7-a97f-22000a92523b",
                    endpoint_path="/",
                    local_path="/",
                )
            ],
        )
    ],
)
