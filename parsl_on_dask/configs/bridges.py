"""Two nodes of Bridges (PSC)."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="Bridges_HTEX_multinode",
            max_workers_per_node=1,
            provider=SlurmProvider(
                partition="YOUR_PARTITION_NAME",
                nodes_per_block=2,
                init_blocks=1,
                scheduler_options="",  # lines of #SBATCH,
                worker_init="",
                walltime="00:10:00",
                cmd_timeout=120,
                launcher=SrunLauncher(),
            ),
        )
    ],
)
