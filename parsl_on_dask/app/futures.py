"""The promise of a file, at the place where Parsl has it: see :mod:`parsl_on_dask.data_provider.data_future`."""

from __future__ import annotations

from parsl_on_dask.data_provider.data_future import (
    DataFuture,
)

__all__ = ["DataFuture"]
