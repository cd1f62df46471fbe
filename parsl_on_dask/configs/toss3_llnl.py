"""A node of the TOSS 3 machines (LLNL). Parsl has Flux give out the tasks there; here Dask does."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="FluxExecutor",
            provider=SlurmProvider(
                partition="YOUR_PARTITION",
                account="YOUR_ACCOUNT",
                nodes_per_block=1,
                init_blocks=1,
                min_blocks=1,
                max_blocks=1,
                walltime="00:30:00",
                scheduler_options="",
                worker_init="",
                cmd_timeout=120,
                launcher=SrunLauncher(overrides="--mpibind=off"),
            ),
        )
    ],
)
