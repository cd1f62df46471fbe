"""Values between workers and files, without a way through the submitting process."""

from __future__ import annotations

import os
import uuid
from concurrent.futures import Future
from functools import cache
from typing import Any

import cloudpickle

from parsl_on_dask.lanes.bootstrap import Launch
from parsl_on_dask.lanes.values import RemoteValue

#: Dask runs the highest first: what is waited for by a result that is done goes before new calls.
URGENT = 10


@cache
def _keep() -> Launch:
    # made in a function, so that cloudpickle takes it by value wherever this module is imported from
    def parsl_checkpoint(directory: str, probe: str, key: str, value: Any, item: int | None) -> Any:
        import os

        from parsl_on_dask.remote.sidefiles import write_value

        if not os.path.exists(probe):
            return None
        return write_value(directory, key, value if item is None else value[item])

    parsl_checkpoint.__module__ = "__main__"
    return Launch(cloudpickle.dumps(parsl_checkpoint))


@cache
def _load() -> Launch:
    def parsl_checkpointed(directory: str, name: str, size: int, crc: int) -> Any:
        from parsl_on_dask.remote.sidefiles import read_value

        return read_value(directory, name, size, crc)

    parsl_checkpointed.__module__ = "__main__"
    return Launch(cloudpickle.dumps(parsl_checkpointed))


@cache
def _sees() -> Launch:
    def parsl_sees(path: str) -> bool:
        import os

        return os.path.exists(path)

    parsl_sees.__module__ = "__main__"
    return Launch(cloudpickle.dumps(parsl_sees))


def keep_on_worker(value: RemoteValue, directory: str, probe: str, key: str, app: str) -> Future[Any]:
    """Have the worker that holds a value write it to a file.

    Parameters
    ----------
    directory : str
        The checkpoint directory.
    probe : str
        A file that is seen where the directory is shared.

    Returns
    -------
    Future
        Of what :func:`~parsl_on_dask.remote.sidefiles.write_value` returns; of None where the worker does not see the
        directory.
    """
    done: Future[Any] = Future()
    task = value.client.submit(
        _keep(), directory, probe, key, value.future, value.item, **_as_task(f"checkpoint of {app}")
    )

    def ended(finished: Any) -> None:
        # the value has to live until it is written
        try:
            done.set_result(finished.result())
        except BaseException as e:
            done.set_exception(e)
        nonlocal value
        del value

    task.add_done_callback(ended)
    return done


def workers_see(client: Any, path: str) -> bool:
    """Whether a path of this machine is there for all workers of a cluster; False when nobody says so soon."""
    try:
        seen = client.run(_sees(), path, on_error="ignore")
    except Exception:
        return False
    return bool(seen) and all(value is True for value in seen.values())


def load_on_worker(lane: Any, path: str, size: int, crc: int, app: str) -> RemoteValue:
    """Have a worker read a value from its file; the value stays there."""
    folder, name = os.path.split(path)
    future = lane.client.submit(
        _load(), os.path.dirname(folder), name, size, crc, **_as_task(f"checkpointed result of {app}")
    )
    return RemoteValue(lane.label, lane.client, future, None, size)


def _as_task(name: str) -> dict[str, Any]:
    return {"key": f"{name}-{uuid.uuid4().hex}", "pure": False, "priority": URGENT}
