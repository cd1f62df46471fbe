"""Seeing what happens: the monitoring database, and what shows it."""

from __future__ import annotations

from parsl_on_dask.monitoring.monitoring import MonitoringHub

__all__ = ["MonitoringHub"]
