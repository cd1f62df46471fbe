"""Results that stay on the worker which made them."""

from __future__ import annotations

import threading
from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as DaskFuture


#: ``arguments`` is True in a thread that pickles the arguments of a call, ``hurry`` in one that cannot wait for a
#: future which it finds there.
pickling = threading.local()


class RemoteValue:
    """Stands, in the submitting process, for a value on a Dask cluster.

    While this object lives, Dask keeps the value. It is handed to other calls on the same cluster as a Dask
    dependency, so it moves from worker to worker; :meth:`fetch` brings it here.

    Parameters
    ----------
    label : str
        Of the executor that made it.
    client : distributed.Client
    future : distributed.Future
        The Dask task that holds the value.
    item : int or None
        Under which number that Dask task's result has the value; None when its result is the value.
    size : int
        In bytes, as far as known.

    Attributes
    ----------
    shared : bool
        Whether something else than the future of the task that made it gives this value to others.
    """

    __slots__ = ("__weakref__", "client", "future", "item", "label", "picked", "shared", "size")

    def __init__(self, label: str, client: Client, future: DaskFuture[Any], item: int | None, size: int) -> None:
        self.label = label
        self.client = client
        self.future = future
        self.item = item
        self.picked: Any = None
        self.shared = False
        self.size = size

    def fetch(self) -> Any:
        """Bring the value to this process.

        Raises
        ------
        ExecutorError
            When the cluster that held the value is gone.
        """
        try:
            whole = self.future.result()
        except BaseException as e:
            raise _lost(self, e) from e
        return whole if self.item is None else whole[self.item]

    def dask_future(self) -> DaskFuture[Any]:
        """A Dask future of just this value."""
        self.shared = True
        if self.item is not None:
            from operator import getitem

            if self.picked is None:
                self.picked = self.client.submit(getitem, self.future, self.item, pure=False)
            picked: DaskFuture[Any] = self.picked
            return picked
        return self.future

    def __repr__(self) -> str:
        return f"<value of {self.size} bytes on {self.client.scheduler_info()['address']}, {self.future.key}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return just(self.fetch())


def just(value: Any) -> tuple[Any, ...]:
    """What ``__reduce__`` returns for a value to arrive, also where nothing of this package is installed."""
    return (itemgetter(0), ((value,),))


def _lost(value: RemoteValue, e: BaseException) -> BaseException:
    """The error for a value that was on a cluster and cannot be had any more."""
    from parsl_on_dask.errors import ExecutorError

    text = (
        f"the result of {value.size} bytes was left on its worker, and that worker or its cluster is gone "
        f"({type(e).__name__}: {e}). Call result() before cleanup() or clear(), or raise inline_limit= of the executor"
    )
    return ExecutorError(value.label, text)
