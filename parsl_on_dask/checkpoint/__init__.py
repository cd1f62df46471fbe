"""The result cache: keys, store and file format.

``explain`` says why a call was not answered from the cache; ``Cache`` says how one app's calls are cached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsl_on_dask.importing.lazily import lazily

if TYPE_CHECKING:
    from parsl_on_dask.app.explanation import explain
    from parsl_on_dask.checkpoint.policy import Cache
    from parsl_on_dask.checkpoint.store import Store

__all__ = ["Cache", "Store", "explain"]

__getattr__, __dir__ = lazily(
    __name__,
    {"Cache": "checkpoint.policy", "Store": "checkpoint.store", "explain": "app.explanation"},
)
