"""Two nodes of Improv (Argonne)."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import MpiRunLauncher
from parsl_on_dask.providers import PBSProProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="Improv_multinode",
            max_workers_per_node=32,
            provider=PBSProProvider(
                account="YOUR_ALLOCATION_ON_IMPROV",
                scheduler_options="",
                queue="compute",
                # mpirun comes with the module
                worker_init="module load gcc/13.2.0; module load openmpi/5.0.3-gcc-13.2.0",
                launcher=MpiRunLauncher(),
                nodes_per_block=2,
                walltime="00:10:00",
            ),
        )
    ],
)
