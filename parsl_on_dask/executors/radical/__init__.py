"""Parsl's executor for RADICAL-Pilot."""

from __future__ import annotations

from parsl_on_dask.executors.radical.executor import RadicalPilotExecutor
from parsl_on_dask.executors.radical.rpex_resources import ResourceConfig
from parsl_on_dask.importing.lazily import lazily

__all__ = ["RadicalPilotExecutor", "ResourceConfig"]

__getattr__, __dir__ = lazily(__name__)
