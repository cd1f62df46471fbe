"""Private parts of other packages that are used on workers: each with its reason, and nowhere else in this room.

``tests/remote/test_internals.py`` has a test of each function's name, which fails when the private part changes.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import cloudpickle

#: Seconds for the scheduler to answer.
ANSWER = 30.0


def connections() -> list[Any]:
    """The connections of this process to other Dask processes: distributed keeps them for its own tests only."""
    core = sys.modules.get("distributed.comm.core")
    return [] if core is None else list(getattr(core.Comm, "_instances", ()))


def listening_sockets(server: Any) -> Iterator[Any]:
    """The sockets that a Dask worker or scheduler listens on: its servers are tornado's, which do not show theirs."""
    listening = [getattr(each, "tcp_server", None) for each in getattr(server, "listeners", ())]
    for each in (*listening, getattr(server, "http_server", None)):
        yield from getattr(each, "_sockets", {}).values()


def has_unsent(worker: Any) -> bool:
    """Whether a Dask worker has something for its scheduler that it has not sent: the buffer of its next message."""
    return bool(getattr(getattr(worker, "batched_stream", None), "buffer", None))


def is_there(worker: Any, address: str) -> bool:
    """Whether a Dask worker's scheduler has another worker: its connection to the scheduler. In a task's thread."""
    from distributed.utils import sync

    return bool(sync(worker.loop, worker.scheduler.ncores, workers=[address], callback_timeout=ANSWER))


def function_by_value(pickler: cloudpickle.Pickler, function: Any) -> Any:
    """How cloudpickle pickles a function by value; by itself, it looks for the function in every module first."""
    return pickler._dynamic_function_reduce(function)


def of_class(reduced: Any, cls: type) -> Any:
    """What cloudpickle writes of a class that goes by value, with its full name and ``__slots__`` where it is made.

    By itself, it writes no full name, and sets slots on a class that was made without them. Objects of that have a
    ``__dict__``, and when they come back to where the class is known, there is no place for it.
    """
    if len(reduced) == 2:  # a type of Python, by its name
        return reduced
    make, (*about, keywords, tracker, extra), (members, state), *rest = reduced
    if not isinstance(keywords, dict):  # an Enum
        return reduced
    keywords = {**keywords, "__qualname__": cls.__qualname__}
    if "__slots__" in members:
        keywords["__slots__"] = members["__slots__"]
        members = {
            name: member
            for name, member in members.items()
            if name != "__slots__" and type(member) is not types.MemberDescriptorType
        }
    return make, (*about, keywords, tracker, extra), (members, state), *rest


#: cloudpickle's modules whose functions make classes again, since 2.0 and before; those functions; and the one that
#: fills a class in.
CLASS_MAKERS = ("cloudpickle.cloudpickle", "cloudpickle.cloudpickle_fast")
MAKES, FILLS = "_make_skeleton_", "_class_setstate"
MAKES_CLASS, MAKES_ENUM = f"{MAKES}class", f"{MAKES}enum"


def making_of(name: str, arguments: tuple[Any, ...]) -> tuple[type | None, str | None, str | None]:
    """What a call of cloudpickle's function ``name`` is about to make.

    Returns the class, if it is known here, and the module and full name that it has where it was written.
    """
    known = cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(arguments[-2])
    if name == MAKES_ENUM:
        return known, arguments[4], arguments[2]
    return known, arguments[3].get("__module__"), arguments[3].get("__qualname__")


def parent_of(filesystem: Any, path: str) -> str:
    """The folder of a path, as an fsspec file system writes paths, which only the file system knows."""
    return str(filesystem._parent(path))
