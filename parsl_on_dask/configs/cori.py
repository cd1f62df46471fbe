"""Two nodes of Cori (NERSC), which is gone; Parsl had this until 2023."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="Cori_HTEX_multinode",
            max_workers_per_node=2,
            provider=SlurmProvider(
                partition="debug",
                nodes_per_block=2,
                init_blocks=1,
                scheduler_options="#SBATCH --constraint=knl,quad,cache",
                worker_init="",
                walltime="00:10:00",
                cmd_timeout=120,
                launcher=SrunLauncher(),
            ),
        )
    ],
)
