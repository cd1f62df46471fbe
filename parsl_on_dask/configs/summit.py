"""Two nodes of Summit (ORNL), which is gone."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import JsrunLauncher
from parsl_on_dask.providers import LSFProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="Summit_HTEX",
            working_dir="YOUR_WORKING_DIR_ON_SHARED_FS",
            worker_port_range=(50000, 55000),
            provider=LSFProvider(
                launcher=JsrunLauncher(),
                walltime="00:10:00",
                nodes_per_block=2,
                init_blocks=1,
                max_blocks=1,
                worker_init="",
                project="YOUR_PROJECT_ALLOCATION",
                cmd_timeout=60,
            ),
        )
    ],
)
