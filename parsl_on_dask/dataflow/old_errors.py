"""Errors that Parsl no longer raises, for ``except`` clauses."""

from __future__ import annotations

from parsl_on_dask.common.task_errors import DataFlowException


class DuplicateTaskError(DataFlowException):
    """A task was given to an executor twice. Never raised."""
