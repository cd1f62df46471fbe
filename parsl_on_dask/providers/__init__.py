"""Providers say where blocks of workers come from."""

from __future__ import annotations

from parsl_on_dask.providers.local.local import LocalProvider

__all__ = ["LocalProvider"]
