"""Keeps a result on a worker in a form that Dask sends in one piece."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

from .packing import PROTOCOL, dumps, loads

#: What Dask takes to pieces.
_CONTAINERS = frozenset({list, tuple, set, frozenset, dict})
#: Buffers that travel beside a pickle, at the most; with more, all is in the pickle.
_BUFFERS = 100


class Whole(dict[int, Any]):
    """A dict that is pickled.

    Dask sends each element of a list, tuple, set or dict as a part of a message, which takes seconds for ten thousand
    numbers, and stops the event loops on both sides. What is in an object of another class is left together.
    """

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        values = dict(self)
        if protocol < PROTOCOL:
            return _again, (dumps(values), ())
        buffers: list[pickle.PickleBuffer] = []
        data = dumps(values, buffers)
        if len(buffers) > _BUFFERS:
            buffers = []
            data = dumps(values)
        return _again, (pickle.PickleBuffer(data), buffers)


def _again(data: Any, buffers: Sequence[Any]) -> Whole:
    return Whole(loads(data, buffers=buffers))


def sent_whole(values: dict[int, Any]) -> dict[int, Any]:
    """The values in a form that Dask does not take to pieces; as they are, if it knows better how to send them.

    Examples
    --------
    >>> sent_whole({0: [1, 2]})
    {0: [1, 2]}
    """
    return values if _CONTAINERS.isdisjoint(map(type, values.values())) else Whole(values)
