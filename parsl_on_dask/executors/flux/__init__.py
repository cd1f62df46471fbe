"""Parsl's executor for Flux."""

from __future__ import annotations

from parsl_on_dask.executors.flux.executor import FluxExecutor

__all__ = ["FluxExecutor"]
