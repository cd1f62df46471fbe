"""Errors that Parsl no longer raises, for ``except`` clauses."""

from __future__ import annotations

from typing import Any

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
