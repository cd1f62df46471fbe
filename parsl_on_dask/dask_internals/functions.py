"""Functions of Dask's that are made to do more, or to hold less.

Two of them ask objects nothing, and take instances of Dask's own class ``Future`` only: ``client.gather`` gives
everything else back as it is, and ``as_completed`` refuses it. So they are wrapped here, once in a process. Another one
remembers, for as long as the process lives, every handler that it was asked about, and the scheduler or worker that the
handler belongs to.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

from parsl_on_dask.dask_internals.clients import clients


def replace_what_is_gathered(replaced: Callable[[Any, Any], Any]) -> None:
    """Have ``client.gather`` and ``distributed.as_completed`` look through what they are given. Again: does nothing.

    ``Client.gather`` is called in many ways, which all end in ``Client._gather``.

    - `replaced`: gets what was given, and the client if that is known, and returns what Dask is to be given.
    """
    from distributed import Client, as_completed

    gather: Any = Client._gather
    update: Any = as_completed.update
    if getattr(gather, "replaces", False):
        return

    @wraps(gather)
    async def _gather(self: Any, futures: Any, *args: Any, **kwargs: Any) -> Any:
        return await gather(self, replaced(futures, self), *args, **kwargs)

    @wraps(update)
    def _update(self: Any, futures: Any) -> None:
        # it knows the loop of its client, and not the client
        client = next((c for c in clients() if c.loop is self.loop), None)
        update(self, replaced(list(futures), client))

    _gather.replaces = True  # type: ignore[attr-defined]
    Client._gather = _gather  # type: ignore[method-assign]
    as_completed.update = _update  # type: ignore[method-assign]


def forget_handlers() -> None:
    """Have Dask let go of the schedulers and workers of this process that have ended."""
    from distributed import core

    with suppress(AttributeError):  # it is a private function
        core._expects_comm.cache_clear()
