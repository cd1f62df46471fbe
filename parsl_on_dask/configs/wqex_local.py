"""Workers with resources on this machine, by Work Queue's executor."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import WorkQueueExecutor

config = Config(
    executors=[
        WorkQueueExecutor(
            label="parsl-wq-example",
            port=9123,
            shared_fs=False,
        )
    ],
)
