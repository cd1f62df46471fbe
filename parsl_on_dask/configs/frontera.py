"""Two nodes of Frontera (TACC)."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="frontera_htex",
            max_workers_per_node=1,
            provider=SlurmProvider(
                cmd_timeout=60,
                nodes_per_block=2,
                init_blocks=1,
                min_blocks=1,
                max_blocks=1,
                partition="normal",
                scheduler_options="#SBATCH -A <YOUR_ALLOCATION>",
                worker_init="",
                walltime="00:10:00",
                launcher=SrunLauncher(),
            ),
        )
    ],
)
