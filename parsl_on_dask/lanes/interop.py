"""Dask's objects as arguments of apps."""

from __future__ import annotations

import sys
from concurrent.futures import Future
from typing import Any

from parsl_on_dask.python_internals.futures import value_of


def is_dask_object(value: Any) -> bool:
    """Whether a value is something of Dask's that has to be computed: a Future, a Delayed, an array, a dataframe."""
    if isinstance(value, Future) or "dask" not in sys.modules:
        return False
    cls = type(value)
    if hasattr(cls, "__dask_graph__"):
        return value.__dask_graph__() is not None
    return cls.__module__ == "distributed.client" and cls.__name__ == "Future"


def adopt(value: Any, lane: Any) -> Future[Any]:
    """A future of the result of a Dask object, computed on the lane's cluster.

    The result stays there when it is a large one.
    """
    from distributed import Future as DaskFuture

    from parsl_on_dask.lanes.values import RemoteValue

    client = lane.client
    adopted: Future[Any] = Future()
    if isinstance(value, DaskFuture):
        dask_future = value
        remote = value.client is client
    else:
        dask_future = client.compute(value)
        remote = True

    def done(finished: Any) -> None:
        try:
            if finished.status == "finished":
                adopted.set_result(RemoteValue(lane.label, client, finished, None, 0) if remote else finished.result())
            elif finished.status == "error":
                adopted.set_exception(finished.exception())
            else:
                adopted.set_exception(RuntimeError(f"Dask future {finished.key} is {finished.status}"))
        except BaseException as e:
            adopted.set_exception(e)

    dask_future.add_done_callback(done)
    return AdoptedFuture(adopted)


class AdoptedFuture(Future[Any]):
    """The result of a Dask object, which may stay on its cluster."""

    def __init__(self, source: Future[Any]) -> None:
        super().__init__()
        source.add_done_callback(self._take)

    def _take(self, source: Future[Any]) -> None:
        error = source.exception()
        if error is not None:
            self.set_exception(error)
        else:
            self.set_result(value_of(source))

    def result(self, timeout: float | None = None) -> Any:
        """The value, fetched when it stayed on the cluster."""
        from parsl_on_dask.lanes.base import plain

        return plain(super().result(timeout))

    def peek(self) -> Any:
        """The value, or what stands for it. For the kernel."""
        from parsl_on_dask.lanes.peeking import peeking

        value = super().result()
        lane = getattr(peeking, "lane", None)
        return value if lane is not None and lane.accepts(value) else self.result()
