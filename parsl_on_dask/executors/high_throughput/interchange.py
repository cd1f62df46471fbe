"""Parsl's broker has no counterpart here; scripts import this error from its module."""

from __future__ import annotations

from parsl_on_dask.executors.high_throughput.errors import ManagerLost

__all__ = ["ManagerLost"]
