"""What Dask's own functions are made to do.

Two of them ask objects nothing, and take instances of Dask's own class ``Future`` only: ``client.gather`` gives
everything else back as it is, and ``as_completed`` refuses it. So they are wrapped here, once in a process: futures of
ours are replaced by the Dask futures that stand for them, and all else is left to Dask.
``tests/lanes/test_dask_futures.py`` notices when Dask asks by itself.

Another one remembers, for as long as the process lives, every handler that it was asked about, and the scheduler or
worker that the handler belongs to. ``tests/lifetime/test_memory_of_loads.py`` notices when it no longer does.
"""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from typing import Any

from parsl_on_dask.lanes.dask_protocol import DaskProtocol


def take_our_futures() -> None:
    """Have ``client.gather`` and ``distributed.as_completed`` take futures of ours."""
    from distributed import Client, as_completed

    gather: Any = Client._gather
    update: Any = as_completed.update
    if getattr(gather, "takes_our_futures", False):
        return

    @wraps(gather)
    async def _gather(self: Any, futures: Any, *args: Any, **kwargs: Any) -> Any:
        return await gather(self, _replaced(futures, self), *args, **kwargs)

    @wraps(update)
    def _update(self: Any, futures: Any) -> None:
        # it knows the loop of its client, and not the client
        client = next((c for c in list(Client._instances) if c.loop is self.loop), None)
        update(self, _replaced(list(futures), client))

    _gather.takes_our_futures = True  # type: ignore[attr-defined]
    Client._gather = _gather  # type: ignore[method-assign]
    as_completed.update = _update  # type: ignore[method-assign]


def forget_handlers() -> None:
    """Have Dask let go of the schedulers and workers of this process that have ended."""
    from distributed import core

    with suppress(AttributeError):  # it is a private function
        core._expects_comm.cache_clear()


def _replaced(given: Any, client: Any) -> Any:
    """What was given, with Dask futures in the places of ours; itself when there are none in it."""
    if isinstance(given, DaskProtocol):
        from parsl_on_dask.lanes.dask_futures import dask_future_of

        return dask_future_of(given, client)
    kind = type(given)
    if kind is dict:
        values = {key: _replaced(value, client) for key, value in given.items()}
        return values if any(values[key] is not given[key] for key in given) else given
    if kind in (list, tuple, set, frozenset):
        items = [_replaced(item, client) for item in given]
        return kind(items) if any(a is not b for a, b in zip(items, given, strict=True)) else given
    return given
