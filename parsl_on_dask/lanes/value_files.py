"""Values between workers and files, without a way through the submitting process."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from functools import cache
from typing import Any

from parsl_on_dask.common.by_value import Launch, by_value
from parsl_on_dask.lanes.values import RemoteValue

logger = logging.getLogger("parsl.lanes.value_files")

#: Dask runs the highest first: what a call that need not run waits for goes before new calls.
URGENT = 10
#: Seconds to wait for a value that was lost with its worker, and is made again if somebody needs it.
PATIENCE = 30.0
#: Seconds between two looks for it.
GLANCE = 0.1


class ValueLost(LookupError):
    """A value was lost with its worker before it was written."""


@cache
def _keep() -> Launch:
    async def parsl_checkpoint(
        directory: str, probe: str, key: str, held: str, item: int | None, dask_worker: Any = None
    ) -> Any:
        import asyncio
        import os

        from parsl_on_dask.remote.sidefiles import write_value

        value = dask_worker.data[held]
        if item is not None:
            value = value[item]

        def write() -> Any:
            try:
                return (write_value(directory, key, value) if os.path.exists(probe) else None), None
            except Exception as e:  # as a value, so that it is not taken for one of the connection's
                return None, e

        # neither the worker's event loop nor one of its slots has to wait for the disk
        return await asyncio.get_running_loop().run_in_executor(None, write)

    return by_value(parsl_checkpoint)


@cache
def _load() -> Launch:
    def parsl_checkpointed(directory: str, name: str, size: int, crc: int) -> Any:
        from parsl_on_dask.remote.sidefiles import read_value
        from parsl_on_dask.remote.whole import sent_whole

        return sent_whole({0: read_value(directory, name, size, crc)})

    return by_value(parsl_checkpointed)


def keep_on_worker(value: RemoteValue, directory: str, probe: str, key: str) -> Future[Any]:
    """Have the worker that holds a value write it to a file, at once, whatever calls it runs.

    - `directory`: the checkpoint directory.
    - `probe`: a file that is seen where the directory is shared.
    - `key`: the call's key.

    Returns
    -------
    Future
        Of what :func:`~parsl_on_dask.remote.sidefiles.write_value` returns; of None where the worker does not see the
        directory. It may be completed in Dask's event loop.
    """
    done: Future[Any] = Future()
    client: Any = value.client

    async def keep() -> None:
        try:
            done.set_result(await _keep_where_it_is(value, directory, probe, key))
        except BaseException as e:
            done.set_exception(e)

    def made(_: Any) -> None:
        try:
            client.loop.add_callback(keep)
        except BaseException as e:
            done.set_exception(e)

    # its worker tells of a value before Dask has it
    value.future.add_done_callback(made)
    return done


async def _keep_where_it_is(value: RemoteValue, directory: str, probe: str, key: str) -> Any:
    client: Any = value.client
    for _ in range(int(PATIENCE / GLANCE)):
        if value.future.status in ("error", "cancelled") or client.status != "running":
            break
        try:
            answer = await _ask(client, value, directory, probe, key)
        except OSError as e:  # of a connection
            logger.debug("A value cannot be written now: %s", e)
            answer = None
        if answer is not None:
            file, error = answer
            if error is not None:
                raise error
            return file
        await asyncio.sleep(GLANCE)
    raise ValueLost("the worker that held it has gone")


async def _ask(client: Any, value: RemoteValue, directory: str, probe: str, key: str) -> tuple[Any, Any] | None:
    """What a worker that holds a value says about writing it; None when no worker does."""
    for place in await _places(client, value):
        asking = asyncio.ensure_future(
            client.run(_keep(), directory, probe, key, value.future.key, value.item, workers=[place], on_error="return")
        )
        while not asking.done():
            await asyncio.wait({asking}, timeout=1.0)
            # Dask tries for long to reach a worker that has gone
            if not asking.done() and place not in await _places(client, value):
                asking.cancel()
                break
        else:
            answer = asking.result().get(place)
            if isinstance(answer, tuple):  # else the value has moved, or its worker goes
                return answer
    return None


async def _places(client: Any, value: RemoteValue) -> Sequence[str]:
    """The workers that hold a value, as far as the scheduler knows."""
    found: Sequence[str] = (await client.who_has([value.future])).get(value.future.key, ())
    return found


def load_on_worker(lane: Any, path: str, size: int, crc: int, app: str) -> Future[RemoteValue]:
    """Have a worker read a value from its file; the value stays there.

    Returns
    -------
    Future
        Completed when it is there; with what the worker met, if that is an exception. It may be completed in a thread
        of Dask's.
    """
    folder, name = os.path.split(path)
    reading = lane.client.submit(
        _load(),
        os.path.dirname(folder),
        name,
        size,
        crc,
        key=f"checkpointed result of {app}-{uuid.uuid4().hex}",
        pure=False,
        priority=URGENT,
    )
    value = RemoteValue(lane.label, lane.client, reading, 0, size)
    done: Future[RemoteValue] = Future()

    def ended(finished: Any) -> None:
        try:
            error = finished.exception() if finished.status != "finished" else None
        except BaseException as e:
            error = e
        if error is None:
            done.set_result(value)
        else:
            done.set_exception(error)

    reading.add_done_callback(ended)
    return done
