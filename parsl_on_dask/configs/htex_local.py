"""Apps in worker processes on this machine, one for each core."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
from parsl_on_dask.providers.local_provider import LocalProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="htex_local",
            cores_per_worker=1,
            provider=LocalProvider(init_blocks=1, max_blocks=1),
        )
    ]
)
