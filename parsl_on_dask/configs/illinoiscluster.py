"""Two nodes of the Campus Cluster (UIUC)."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="CC_htex",
            worker_debug=False,
            cores_per_worker=16.0,
            provider=SlurmProvider(
                partition="secondary-fdr",
                nodes_per_block=2,
                init_blocks=1,
                max_blocks=1,
                scheduler_options="",
                cmd_timeout=60,
                walltime="00:10:00",
                worker_init="conda activate envParsl",
                launcher=SrunLauncher(),
            ),
        )
    ],
)
