"""Errors of Parsl's TaskVine executor, for ``except`` clauses.

Here calls fail with their own exceptions, and with ``WorkerLost``.
"""

from __future__ import annotations

from typing import Any

from parsl_on_dask.common.app_errors import AppException
from parsl_on_dask.errors import ParslError


class TaskVineTaskFailure(AppException):
    """A call failed in TaskVine. Never raised.

    Parameters
    ----------
    reason : str
    status : int
    """

    def __init__(self, reason: str, status: Any = None) -> None:
        super().__init__(reason, status)
        self.reason = reason
        self.status = status


class TaskVineManagerFailure(ParslError):
    """TaskVine's manager failed. Never raised."""


class TaskVineFactoryFailure(ParslError):
    """TaskVine's factory failed. Never raised."""
