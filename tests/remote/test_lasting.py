"""What Python and Dask keep for ever keeps nothing of ours."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import weakref
from typing import Any

import pytest

from parsl_on_dask.remote import lasting


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_in_children() -> None:
    reading, writing = os.pipe()

    def tell() -> None:
        os.write(writing, b"function")

    lasting.in_children(tell)

    def told() -> bytes:
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        os.write(writing, b".")
        return os.read(reading, 100)

    assert told() == b"function."
    gone = weakref.ref(tell)
    del tell
    gc.collect()
    assert gone() is None
    assert told() == b"."
    os.close(reading)
    os.close(writing)


def test_handler() -> None:
    async def answer(worker: str, comm: str, **words: Any) -> tuple[Any, ...]:
        return worker, comm, words

    made = lasting.handler(answer, "worker")
    assert made.__name__ and next(iter(inspect.signature(made).parameters)) == "comm", "Dask looks at both"
    assert asyncio.run(made("comm", topic="t")) == ("worker", "comm", {"topic": "t"})
    del answer
    gc.collect()
    with pytest.raises(OSError, match="has gone"):
        asyncio.run(made("comm", topic="t"))
