"""Dask's functions are wrapped where they still have to be."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import distributed
import pytest
from distributed import Client, core

from parsl_on_dask.dask_internals.functions import forget_handlers, replace_what_is_gathered
from tests.helpers import WAIT


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    from parsl_on_dask.lanes.dask_futures import with_dask_futures

    replace_what_is_gathered(with_dask_futures)
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0") as made:
        yield made


def test_replace_what_is_gathered(client: Client) -> None:
    """When this fails, Dask asks objects itself, and the function is not needed any more."""
    other: Future[int] = Future()
    gather: Any = Client._gather.__wrapped__  # type: ignore[attr-defined]

    async def ask() -> Any:
        return await gather(client, [other])

    assert client.sync(ask, callback_timeout=WAIT) == [other]
    update: Any = distributed.as_completed.update.__wrapped__  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="must be a future"):
        update(distributed.as_completed([]), [other])
    assert client.gather([client.submit(abs, -1), 5]) == [1, 5]
    assert [f.result() for f in distributed.as_completed([client.submit(abs, -2)])] == [2]


def test_forget_handlers() -> None:
    """When this fails, Dask remembers no handlers any more, and the function is not needed."""

    class Server:
        def handler(self, comm: object) -> None:
            pass

    def kept() -> int:
        gc.collect()
        return sum(type(o) is Server for o in gc.get_objects())

    core._expects_comm(Server().handler)
    assert kept() == 1
    forget_handlers()
    assert kept() == 0
