"""Errors about jobs."""

from __future__ import annotations

from parsl_on_dask.errors import ParslError


class TooManyJobFailuresError(ParslError):
    """So many blocks of an executor failed that it does not go on; the text tells about each of them."""
