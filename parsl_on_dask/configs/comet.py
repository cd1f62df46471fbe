"""Two nodes of Comet (SDSC), which is gone; Parsl had this until 2024."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="Comet_HTEX_multinode",
            max_workers_per_node=2,
            provider=SlurmProvider(
                partition="debug",
                nodes_per_block=2,
                init_blocks=1,
                scheduler_options="",
                worker_init="",
                walltime="00:10:00",
                launcher=SrunLauncher(),
            ),
        )
    ],
)
