"""Blocks of workers from Grid Engine."""

from __future__ import annotations

from parsl_on_dask.importing.lazily import lazily

__getattr__, __dir__ = lazily(__name__)
