"""Parsl's executor for RADICAL-Pilot."""

from __future__ import annotations

from parsl_on_dask.executors.radical.executor import RadicalPilotExecutor
from parsl_on_dask.executors.radical.rpex_resources import ResourceConfig

__all__ = ["RadicalPilotExecutor", "ResourceConfig"]
