"""Dask futures that stand for futures of ours.

When one of Dask's functions is given a future of an app, a task is made on the cluster of the client that asks. It
asks for a resource that no worker has, so it takes no slot, and Dask has a key that others can depend on, wait for and
show. When our future is done, its value is put into the memory of a worker under that key, and the scheduler is told
that the task may run there: Dask takes a task whose value is there already for finished. A failure is given to the
scheduler as the task's failure.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import uuid
from collections.abc import Iterator, Mapping, ValuesView
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from contextvars import Context
from functools import cache
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.by_value import by_value
from parsl_on_dask.common.mistakes import pickled_for_dask
from parsl_on_dask.dask_internals.clients import calling_client, fail, was_restarted
from parsl_on_dask.dask_internals.graphs import Alias, DataNode, GraphNode, TaskRef
from parsl_on_dask.dask_internals.schedulers import settle
from parsl_on_dask.lanes.dask_protocol import DaskProtocol
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.python_internals.futures import error_of, value_of
from parsl_on_dask.remote.packing import looks_large

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as DaskFuture

logger = logging.getLogger("parsl.lanes.dask_futures")

#: What a task asks for that is not to run. No worker has it.
NOWHERE = {"parsl-result-of-an-app": 1}
#: Bytes up to which a value that is here becomes a part of Dask's graph; larger ones become a task's dependency.
EMBEDDED = 100_000
_PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None)})


def dask_future_of(future: Any, client: Client | None = None) -> DaskFuture[Any]:
    """The Dask future that stands for a future of ours on a client's cluster. Does not wait.

    - `client`: default: the one whose method is asking, or else Dask's default client.

    Raises TypeError when there is no client.
    """
    client = client or calling_client() or default_client()
    if client is None:
        raise TypeError(f"Dask has no client in this process, which {future!r} could be given to")
    value = value_of(future)
    if type(value) is RemoteValue and value.client is client and value.item is None:
        return value.dask_future()
    known: dict[str, DaskFuture[Any]] = vars(future).setdefault("_dask_futures", {})
    found = known.get(client.id)
    if found is not None and found.status not in ("cancelled", "lost"):
        return found
    made = client.submit(_unmade(), key=f"{_label(future)}-future-{uuid.uuid4().hex}", resources=NOWHERE, pure=False)
    if found is not None:
        known[client.id] = made
    elif known.setdefault(client.id, made) is not made:  # another thread was faster
        return known[client.id]
    _Settling(future, made, client).begin()
    return made


def with_dask_futures(given: Any, client: Client | None) -> Any:
    """What Dask is given, with Dask futures in the places of ours; itself when there are none in it."""
    if isinstance(given, DaskProtocol):
        return dask_future_of(given, client)
    kind = type(given)
    if kind is dict:
        values = {key: with_dask_futures(value, client) for key, value in given.items()}
        return values if any(values[key] is not given[key] for key in given) else given
    if kind in (list, tuple, set, frozenset):
        items = [with_dask_futures(item, client) for item in given]
        return kind(items) if any(a is not b for a, b in zip(items, given, strict=True)) else given
    return given


def _label(future: Any) -> str:
    record = getattr(future, "task_record", None)
    return "file" if record is None else str(record.func_name)


def stands_in(future: Any) -> bool:
    """Whether a graph that a client's method makes should depend on a Dask future in the place of ``future``."""
    client = calling_client()
    if client is None or _embeds(future):
        return False
    dask_future_of(future, client)
    return True


def is_here(future: Any) -> bool:
    """Whether a future has a value, in this process."""
    if not future.done() or future.cancelled() or error_of(future) is not None:
        return False
    return type(value_of(future)) is not RemoteValue or future._fetched is not None


def _embeds(future: Any) -> bool:
    """Whether the value itself can be a part of Dask's graph, which a scheduler without our modules unpickles."""
    if not is_here(future):
        return False
    value = _value_here(future)
    return type(value) in _PLAIN and not looks_large(value, EMBEDDED)


def _value_here(future: Any) -> Any:
    return future._fetched[0] if type(value_of(future)) is RemoteValue else value_of(future)


def reduced(future: Any) -> tuple[Any, ...] | None:
    """What ``__reduce__`` returns for a future where nothing may wait: in a client's method, and in an event loop.

    None elsewhere, and when there is nothing to wait for.

    Raises TypeError when Dask would not find the future in what it is given.
    """
    if _embeds(future):
        return None
    client = calling_client("map")
    if client is not None:  # its arguments are looked through when they have arrived
        return (TaskRef, (dask_future_of(future, client).key,))
    if not is_here(future) and (calling_client() is not None or _in_event_loop()):
        raise TypeError(pickled_for_dask(repr(future), future.done()))
    return None


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def default_client() -> Client | None:
    """Dask's default client."""
    module = sys.modules.get("distributed.client")
    with suppress(ValueError):
        return None if module is None else module.default_client()
    return None


def _address(client: Any) -> str:
    return str(client.scheduler.address)


class FutureGraph(Mapping[str, Any]):
    """The Dask graph of a future: one task. Making it costs nothing.

    Dask's functions on futures (``wait``, ``cancel``, ...) ask for its values, and get a Dask future. Those that run
    graphs ask for its items, and get a task that works with each of Dask's schedulers.
    """

    def __init__(self, future: Any) -> None:
        self.future = future
        self.key = future._dask_name()

    def __iter__(self) -> Iterator[str]:
        return iter((self.key,))

    def __len__(self) -> int:
        return 1

    def __getitem__(self, key: str) -> FutureNode:
        if key != self.key:
            raise KeyError(key)
        return FutureNode(key, self.future)

    def values(self) -> ValuesView[Any]:
        """A Dask future, if there is a client."""
        client = calling_client() or default_client()
        if client is None:
            return super().values()
        return {self.key: dask_future_of(self.future, client)}.values()

    def __reduce__(self) -> tuple[Any, ...]:
        return (dict, ([(self.key, self[self.key])],))


class FutureNode(GraphNode):
    """A task whose value is that of a future of ours.

    In this process it waits for the value, in a thread of Dask's. For a client it is pickled as a reference to the Dask
    future that stands for ours.
    """

    __slots__ = ("future",)

    def __init__(self, key: Any, future: Any) -> None:
        self.key = key
        self.future = future
        self._dependencies = frozenset()

    def __call__(self, values: Any = ()) -> Any:
        return self.future.result()

    def copy(self) -> FutureNode:
        return FutureNode(self.key, self.future)

    def substitute(self, subs: Any, key: Any = None) -> GraphNode:
        if key is not None:
            return FutureNode(key, self.future)
        # asked without a key to become a part of another task, which has to depend on this one
        return Alias(self.key) if self.key in subs else self

    @property
    def block_fusion(self) -> bool:
        """True, as inside of another task the reference would not be known to be one."""
        return True

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return (type(self).__name__, self.future._dask_name())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r}, {self.future!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        client = calling_client()
        if client is None and not is_here(self.future) and _in_event_loop():
            raise TypeError(pickled_for_dask(repr(self.future), self.future.done()))
        if client is None or _embeds(self.future):
            return (DataNode, (self.key, self.future.result()))
        return (Alias, (self.key, dask_future_of(self.future, client).key))


def persisted(graph: Any, key: str, **_: Any) -> Any:
    """What ``dask.persist`` makes of a future of ours."""
    from dask.delayed import Delayed

    return Delayed(key, graph)


class _Settling:
    """Brings the outcome of a future of ours to the Dask future that stands for it, and the cancelling back."""

    def __init__(self, future: Future[Any], made: DaskFuture[Any], client: Client) -> None:
        self.future = future
        self.made = made
        self.client: Any = client

    def begin(self) -> None:
        self.made.add_done_callback(self._left)
        self.future.add_done_callback(self._ended)

    def _ended(self, _: Future[Any]) -> None:
        with suppress(RuntimeError):  # the client's loop was closed in the meantime
            # not in the context of the thread that ended it, which may be a worker's: Dask would take that worker
            Context().run(self.client.loop.add_callback, self._settle)

    def _left(self, made: DaskFuture[Any]) -> None:
        """Cancel our future when somebody has cancelled Dask's; not when the client or the cluster has ended it."""
        if made.status != "cancelled" or self.client.status != "running" or self.future.done():
            return
        if not was_restarted(made):
            with suppress(NotImplementedError):  # the future of a file
                self.future.cancel()

    async def _settle(self) -> None:
        try:
            error = self._error()
            if error is None:
                try:
                    await self._give_value()
                    return
                except Exception as e:
                    error = e
            await self._tell(error=error)
        except Exception as e:
            logger.debug("Dask was not told how %r ended", self.future, exc_info=True)
            if self.pending:
                fail(self.made, e)

    @property
    def pending(self) -> bool:
        return self.made.status == "pending" and self.client.status in ("running", "connecting")

    def _error(self) -> BaseException | None:
        try:
            return self.future.exception()
        except CancelledError as e:
            return e

    async def _give_value(self) -> None:
        await self._tell()  # it is on the scheduler by now, or is not wanted any more
        if not self.pending:
            return
        source, item = await self._source()
        # a call's value is reported as soon as there is one, and can be had when its Dask task is over
        while not (places := (await self.client.who_has([source]))[source.key]):
            if source.status not in ("pending", "finished"):
                raise RuntimeError(f"the worker that had the value is gone; call {self.future!r}.result() before")
            await asyncio.sleep(0.005)
        await self.client.run(_copy(), source.key, item, self.made.key, workers=[places[0]])
        await self._tell(places[0])

    async def _source(self) -> tuple[DaskFuture[Any], int | None]:
        """A Dask future that has the value on the cluster."""
        value: Any = value_of(self.future)
        if type(value) is RemoteValue and _address(value.client) == _address(self.client):
            return value.future, value.item
        if not is_here(self.future):
            await asyncio.get_running_loop().run_in_executor(None, self.future.result)
        key = f"{self.made.key}-value"
        return (await self.client.scatter({key: _value_here(self.future)}, hash=False))[key], None

    async def _tell(self, address: str = "", error: BaseException | None = None) -> None:
        """Tell the scheduler where the value is, or what went wrong; with neither, that the task is there."""
        from distributed.protocol.serialize import serialize

        failure = None
        if error is not None:
            header, frames = serialize(error, on_error="raise")
            failure = (header, [bytes(frame) for frame in frames], repr(error))
        patience = 0.002
        while self.pending:
            # the request may overtake the task, which has another connection
            if await self.client.run_on_scheduler(settle(), self.made.key, address, failure):
                return
            await asyncio.sleep(patience)
            patience = min(1.0, 2 * patience)


# What follows runs on workers that have nothing of this package.


@cache
def _unmade() -> Any:
    def parsl_result() -> None:
        raise RuntimeError(
            "Dask cannot make the result of a Parsl app again: the worker that had it is gone, or retry() was called. "
            "Call the app again; Config(retries=2) has Parsl run failed calls again"
        )

    return by_value(parsl_result)


@cache
def _copy() -> Any:
    def parsl_copy(source: str, item: int | None, key: str, dask_worker: Any = None) -> None:
        value = dask_worker.data[source]
        dask_worker.update_data({key: value if item is None else value[item]})

    return by_value(parsl_copy)
