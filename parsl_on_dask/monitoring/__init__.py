"""Seeing what happens: the monitoring database, and what shows it."""

from __future__ import annotations

from parsl_on_dask.importing.lazily import lazily
from parsl_on_dask.monitoring.monitoring import MonitoringHub

__all__ = ["MonitoringHub"]

__getattr__, __dir__ = lazily(__name__)
