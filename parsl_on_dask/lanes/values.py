"""Results that stay on the worker which made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as DaskFuture


class RemoteValue:
    """Stands, in the submitting process, for a value on a Dask cluster.

    While this object lives, Dask keeps the value. It is handed to other calls on the same cluster as a Dask
    dependency, so it moves from worker to worker; :meth:`fetch` brings it here.

    Parameters
    ----------
    client : distributed.Client
    future : distributed.Future
        The Dask task that holds the value.
    item : int or None
        Which call's value it is, when that Dask task ran several; None when its result is the value.
    size : int
        In bytes, as far as known.
    """

    __slots__ = ("client", "future", "item", "size")

    def __init__(self, client: Client, future: DaskFuture[Any], item: int | None, size: int) -> None:
        self.client = client
        self.future = future
        self.item = item
        self.size = size

    def fetch(self) -> Any:
        """Bring the value to this process.

        Raises
        ------
        ExecutorError
            When the cluster that held the value is gone.
        """
        from parsl_on_dask.lanes.failures import lost_value

        try:
            whole = self.future.result()
        except BaseException as e:
            raise lost_value(self, e) from e
        return whole if self.item is None else whole[self.item]

    def dask_future(self) -> DaskFuture[Any]:
        """A Dask future of just this value."""
        if self.item is not None:
            from operator import getitem

            self.future = self.client.submit(getitem, self.future, self.item, pure=False)
            self.item = None
        return self.future

    def __repr__(self) -> str:
        return f"<value of {self.size} bytes on {self.client.scheduler_info()['address']}, {self.future.key}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # whoever pickles a record or a future gets the value, not a reference into a cluster
        return (_itself, (self.fetch(),))


def _itself(value: Any) -> Any:
    return value
