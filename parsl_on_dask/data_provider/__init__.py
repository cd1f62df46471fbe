"""Files, and how they get to where an app runs."""

from __future__ import annotations

from parsl_on_dask.importing.lazily import lazily

__getattr__, __dir__ = lazily(__name__)
