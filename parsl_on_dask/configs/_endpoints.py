"""Configs of Globus Compute's endpoints."""

from __future__ import annotations

from collections.abc import Sequence

from parsl_on_dask.config import Config
from parsl_on_dask.executors.globus_compute import GlobusComputeExecutor, sdk_executor
from parsl_on_dask.usage_tracking.levels import LEVEL_1


def config_of(endpoints: Sequence[tuple[str, str]]) -> Config:
    """A Config with an executor for each endpoint, given by label and identifier."""
    executors = [GlobusComputeExecutor(sdk_executor()(endpoint_id=number), label) for label, number in endpoints]
    return Config(executors=executors, usage_tracking=LEVEL_1)
