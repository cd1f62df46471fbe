"""Messages about files to workers that the script cannot connect to."""

from __future__ import annotations

from functools import cache
from typing import Any

from parsl_on_dask.common.by_value import Launch, by_value


@cache
def relay() -> Launch:
    """What a worker runs, at the scheduler's request, to answer a message."""

    async def parsl_files(topic: str, message: Any, dask_worker: Any = None) -> Any:
        from parsl_on_dask.remote.transfer import answer

        return await answer(dask_worker, topic, message)

    return by_value(parsl_files)
