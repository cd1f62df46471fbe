"""Errors of Parsl's Work Queue executor, for ``except`` clauses.

Here calls fail with their own exceptions, and with ``WorkerLost``.
"""

from __future__ import annotations

from typing import Any

from parsl_on_dask.common.app_errors import AppException
from parsl_on_dask.errors import ParslError


class WorkQueueTaskFailure(AppException):
    """A call failed in Work Queue. Never raised.

    Parameters
    ----------
    reason : str
    status : Exception or None
    """

    def __init__(self, reason: str, status: Any = None) -> None:
        super().__init__(reason, status)
        self.reason = reason
        self.status = status


class WorkQueueFailure(ParslError):
    """The executor cannot be used as it is described."""
