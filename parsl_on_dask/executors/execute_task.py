"""Running a call that was packed with :func:`parsl_on_dask.serialize.pack_apply_message`."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.serialize.facade import unpack_apply_message


def execute_task(bufs: bytes) -> Any:
    """Run a packed call in this thread, and return what it returns.

    Examples
    --------
    >>> from parsl_on_dask.serialize import pack_apply_message
    >>> execute_task(pack_apply_message(max, (1, 3), {}))
    3
    """
    function, args, kwargs = unpack_apply_message(bufs)
    return function(*args, **kwargs)
