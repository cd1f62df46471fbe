"""A worker on this machine; Parsl had this until 2023."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.providers import LocalProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="Extreme_Local",
            worker_debug=True,
            max_workers_per_node=1,
            provider=LocalProvider(init_blocks=1, max_blocks=1),
        )
    ],
)
