"""The states of a task, at the place where Parsl has them: see :mod:`parsl_on_dask.common.states`."""

from __future__ import annotations

from parsl_on_dask.common.states import (
    FINAL_FAILURE_STATES,
    FINAL_STATES,
    States,
)

__all__ = ["FINAL_FAILURE_STATES", "FINAL_STATES", "States"]
