"""The result cache: keys, store and file format.

``explain`` says why a call was not answered from the cache; ``Cache`` says how one app's calls are cached.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parsl_on_dask.checkpoint.explanation import explain
    from parsl_on_dask.checkpoint.policy import Cache
    from parsl_on_dask.checkpoint.store import Store

__all__ = ["Cache", "Store", "explain"]

_WHERE = {"Cache": "policy", "Store": "store", "explain": "explanation"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
