"""Errors of the kernel, at the place where Parsl has them: see :mod:`parsl_on_dask.common.task_errors`."""

from __future__ import annotations

from parsl_on_dask.common.task_errors import (
    BadCheckpoint,
    DataFlowException,
    DependencyError,
    JoinError,
    PropagatedException,
    RunStopped,
)

__all__ = ["BadCheckpoint", "DataFlowException", "DependencyError", "JoinError", "PropagatedException", "RunStopped"]
