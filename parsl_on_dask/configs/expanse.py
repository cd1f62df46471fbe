"""Two nodes of Expanse (SDSC)."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="Expanse_CPU_Multinode",
            max_workers_per_node=32,
            provider=SlurmProvider(
                partition="compute",
                account="YOUR_ALLOCATION_ON_EXPANSE",
                scheduler_options="",
                worker_init="",
                walltime="01:00:00",
                init_blocks=1,
                max_blocks=1,
                nodes_per_block=2,
                launcher=SrunLauncher(),
            ),
        )
    ],
)
