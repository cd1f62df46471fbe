"""What Dask asks of an object that is given to its functions. None of the answers waits for a task.

Nothing of Dask's is imported here, and nothing is made: :mod:`parsl_on_dask.lanes.dask_futures` does that when one of
Dask's functions takes a future of ours.
"""

from __future__ import annotations

from concurrent.futures import Future
from operator import itemgetter
from typing import Any, TypeVar

from parsl_on_dask.dask_internals.asking import asked_for_key
from parsl_on_dask.importing.lazily import by_name

T = TypeVar("T")


class DaskProtocol(Future[T]):
    """A future that Dask takes for a collection of one element."""

    def _dask_name(self) -> str:
        """A name that no other future has, in this process or another one."""
        raise NotImplementedError

    def __dask_graph__(self) -> Any:
        return by_name("lanes.dask_futures:FutureGraph")(self)

    def __dask_keys__(self) -> list[Any]:
        return [self._dask_name()]

    def __dask_layers__(self) -> tuple[Any, ...]:
        return (self._dask_name(),)

    def __dask_tokenize__(self) -> str:
        return self._dask_name()

    def __dask_postcompute__(self) -> tuple[Any, tuple[Any, ...]]:
        # not a function of ours, which a scheduler may not have
        return itemgetter(0), ()

    def __dask_postpersist__(self) -> tuple[Any, tuple[Any, ...]]:
        return by_name("lanes.dask_futures:persisted"), (self._dask_name(),)

    __dask_optimize__ = None

    @staticmethod
    def __dask_scheduler__(dsk: Any, keys: Any, **kwargs: Any) -> Any:
        from dask.threaded import get

        return get(dsk, keys, **kwargs)

    @property
    def __dask_future__(self) -> bool:
        """Whether the task that Dask makes should depend on this future, by its ``key``, and not hold the value."""
        return bool(by_name("lanes.dask_futures:stands_in")(self))

    def __getattr__(self, name: str) -> Any:
        # not an attribute of the class: of an AppFuture, that is the future of the result's `key`
        if name == "key" and asked_for_key():
            return by_name("lanes.dask_futures:dask_future_of")(self).key
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
