"""What Dask's graphs are made of. ``dask._task_spec`` has no public name yet, and every task is one of its classes."""

from __future__ import annotations

from dask._task_spec import Alias, DataNode, GraphNode, TaskRef

__all__ = ["Alias", "DataNode", "GraphNode", "TaskRef"]
