"""A node of Blue Waters (NCSA), which is gone; Parsl had this until 2024."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import AprunLauncher
from parsl_on_dask.providers import TorqueProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="bw_htex",
            cores_per_worker=1,
            worker_debug=False,
            provider=TorqueProvider(
                queue="normal",
                launcher=AprunLauncher(overrides="-b -- bwpy-environ --"),
                scheduler_options="",
                worker_init="",
                init_blocks=1,
                max_blocks=1,
                min_blocks=1,
                nodes_per_block=2,
                walltime="00:30:00",
            ),
        )
    ],
)
