"""The serialisers that there are."""

from __future__ import annotations

import pickle
from functools import lru_cache
from typing import Any

from parsl_on_dask.old_spellings.legacy import MISSING, renamed
from parsl_on_dask.serialize.base import SerializerBase


class PickleSerializer(SerializerBase):
    """Plain pickle: fast, and by name for everything that a module defines.

    Examples
    --------
    >>> PickleSerializer().deserialize(PickleSerializer().serialize([1, 2]))
    [1, 2]
    """

    identifier = b"01"

    def serialize(self, data: Any) -> bytes:
        return pickle.dumps(data)

    def deserialize(self, body: bytes = MISSING, *, payload: bytes = MISSING) -> Any:  # type: ignore[override]
        return pickle.loads(renamed("deserialize", "payload", "body", payload, body))


class DillSerializer(SerializerBase):
    """What pickle cannot do, too: functions and classes of scripts and notebooks, lambdas, closures.

    It has Parsl's name and header. What it writes is written by cloudpickle, as Dask does it, and read by pickle;
    what dill has written is read where dill is installed.
    """

    identifier = b"02"

    def serialize(self, data: Any) -> bytes:
        import cloudpickle

        return bytes(cloudpickle.dumps(data))

    def deserialize(self, body: bytes = MISSING, *, payload: bytes = MISSING) -> Any:  # type: ignore[override]
        return pickle.loads(renamed("deserialize", "payload", "body", payload, body))


class DillCallableSerializer(SerializerBase):
    """:class:`DillSerializer` for callables, which are remembered: the same one is serialised, and read, once."""

    identifier = b"C2"

    @lru_cache  # noqa: B019  # serialisers live as long as the process
    def serialize(self, data: Any) -> bytes:
        return DillSerializer().serialize(data)

    @lru_cache  # noqa: B019
    def deserialize(self, body: bytes) -> Any:
        return pickle.loads(body)
