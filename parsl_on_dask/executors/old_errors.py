"""Errors that are not raised here, for ``except`` clauses; but :class:`WorkQueueFailure` is.

Calls that would fail with them fail with their own exceptions, and with ``WorkerLost``.
"""

from __future__ import annotations

from typing import Any

from parsl_on_dask.common.app_errors import AppException
from parsl_on_dask.common.task_errors import DataFlowException
from parsl_on_dask.errors import ExecutorError, ParslError


class ControllerError(ExecutorError):
    """The controller of ``IPyParallelExecutor`` failed. Never raised."""

    def __init__(self, reason: str) -> None:
        super().__init__("IPyParallelExecutor", reason)
        self.args = (reason,)


class InsufficientMPIRanks(ParslError):
    """``ExtremeScaleExecutor`` needed at least two ranks. Never raised."""

    def __init__(self, tasks_per_node: Any = None, nodes_per_block: Any = None) -> None:
        super().__init__(tasks_per_node, nodes_per_block)
        self.tasks_per_node = tasks_per_node
        self.nodes_per_block = nodes_per_block


class DuplicateTaskError(DataFlowException):
    """A task was given to an executor twice. Never raised."""


class _TaskFailure(AppException):
    def __init__(self, reason: str, status: Any = None) -> None:
        super().__init__(reason, status)
        self.reason = reason
        self.status = status


class WorkQueueTaskFailure(_TaskFailure):
    """A call failed in Work Queue. Never raised.

    Parameters
    ----------
    reason : str
    status : Exception or None
    """


class TaskVineTaskFailure(_TaskFailure):
    """A call failed in TaskVine. Never raised.

    Parameters
    ----------
    reason : str
    status : int
    """


class TaskVineManagerFailure(ParslError):
    """TaskVine's manager failed. Never raised."""


class TaskVineFactoryFailure(ParslError):
    """TaskVine's factory failed. Never raised."""


class WorkQueueFailure(ParslError):
    """The executor cannot be used as it is described."""
