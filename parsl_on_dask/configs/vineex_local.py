"""Workers with resources on this machine, by TaskVine's executor."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors.taskvine import TaskVineExecutor

config = Config(
    executors=[TaskVineExecutor(label="parsl-vine-example")],
)
