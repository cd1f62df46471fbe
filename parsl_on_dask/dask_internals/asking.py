"""Finds out from the stack who asks an object for something, where Dask does not say so. Imports nothing of Dask's."""

from __future__ import annotations

import sys


def asked_by_dask() -> bool:
    """Whether the caller of our caller is code of Dask's."""
    return _caller().partition(".")[0] in ("dask", "distributed")


def asked_for_key() -> bool:
    """Whether the caller of our caller puts an object into a graph, by its ``key``: ``dask._task_spec`` does that."""
    return _caller() == "dask._task_spec"


def _caller() -> str:
    return str(sys._getframe(3).f_globals.get("__name__", ""))
