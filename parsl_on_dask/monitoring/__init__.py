"""Seeing what happens: the monitoring database, and what shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsl_on_dask.importing.lazily import lazily

if TYPE_CHECKING:
    from parsl_on_dask.monitoring.monitoring import MonitoringHub

__all__ = ["MonitoringHub"]

__getattr__, __dir__ = lazily(__name__, {"MonitoringHub": "monitoring.monitoring"})
