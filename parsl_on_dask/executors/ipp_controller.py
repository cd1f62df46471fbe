"""The controller of ``IPyParallelExecutor``, which Parsl removed in 2022."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.old_spellings.legacy import warn_once


class Controller:
    """Accepted, and means nothing: a Dask scheduler takes its place.

    Parameters
    ----------
    *args, **kwargs
        Kept.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warn_once("ipp.Controller", "Controller() has no meaning any more: a Dask scheduler takes its place.")
        self.args = args
        self.kwargs = kwargs
