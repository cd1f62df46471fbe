"""Parsl's worker program has no counterpart here; scripts import this function from its module."""

from __future__ import annotations

from parsl_on_dask.executors.execute_task import execute_task

__all__ = ["execute_task"]
