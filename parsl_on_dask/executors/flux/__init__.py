"""Parsl's executor for Flux."""

from __future__ import annotations

from parsl_on_dask.executors.flux.executor import FluxExecutor
from parsl_on_dask.importing.lazily import lazily

__all__ = ["FluxExecutor"]

__getattr__, __dir__ = lazily(__name__)
