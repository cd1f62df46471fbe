"""Values to bytes and back, on both sides of the wire."""

from __future__ import annotations

import functools
import io
import pickle
import threading
import types
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol

import cloudpickle

from .internals import function_by_value, of_class
from .own_classes import Unpickler, found_in, holds_classes

PROTOCOL = 5

#: No pickle of so few bytes has a class by value in it.
_WITHOUT_CLASS = 100

#: Classes of what nobody can change, and what refers to nothing.
FIXED = frozenset({bytes, str, int, float, complex, bool, type(None)})

#: What cloudpickle, since 3.1.2, writes in the place of the file that code came from.
NOWHERE = "<dynamic-code>"


def _with_its_file(code: types.CodeType) -> tuple[Any, ...]:
    make, parts, *rest = cloudpickle.Pickler.dispatch_table[types.CodeType](code)
    return make, tuple(code.co_filename if type(p) is str and p == NOWHERE else p for p in parts), *rest


def _has_no_module(value: Any) -> bool:
    """Whether a value is a function that ``exec`` has made, in a namespace without a name.

    pickle and cloudpickle ask every module that was imported whether it has such a function. That takes up to 20 ms,
    and some modules import others, or warn, when they are asked.
    """
    return type(value) is types.FunctionType and value.__module__ is None


_CACHED = type(functools.lru_cache(lambda: None))


def _cached(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    return functools.lru_cache(maxsize, typed)(function)


def _found_on_workers(value: Any) -> bool:
    """Whether a worker that imports a function's module finds the function under its name."""
    name = value.__module__
    if name in ("__main__", "__mp_main__") or name in cloudpickle.list_registry_pickle_by_value():
        return False
    return found_in(name, value.__qualname__) is value


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle's, with four differences.

    Functions remember their file, so that tracebacks can show their lines. A function that has no module goes by value,
    and is not looked for. So does what ``functools.lru_cache`` has made of a function that a worker cannot import; its
    cache is empty there. Classes keep their full names and slots.
    """

    dispatch_table: ClassVar[Any] = ChainMap({types.CodeType: _with_its_file}, *cloudpickle.Pickler.dispatch_table.maps)

    def reducer_override(self, obj: Any) -> Any:
        if _has_no_module(obj):
            return function_by_value(self, obj)
        if type(obj) is _CACHED and not _found_on_workers(obj):
            parameters = obj.cache_parameters()
            return _cached, (obj.__wrapped__, parameters["maxsize"], parameters["typed"])
        reduced = super().reducer_override(obj)
        if reduced is not NotImplemented and isinstance(obj, type):
            return of_class(reduced, obj)
        return reduced


def _by_value(value: Any, buffers: list[pickle.PickleBuffer] | None) -> bytes:
    buffer = io.BytesIO()
    if buffers is not None:
        buffers.clear()
    Pickler(buffer, PROTOCOL, None if buffers is None else buffers.append).dump(value)
    return buffer.getvalue()


def dumps(value: Any, buffers: list[pickle.PickleBuffer] | None = None) -> bytes:
    """Pickle a value; what plain pickle cannot do, or would do by a name that only means something here, goes by value.

    With a list for them, the buffers of arrays and the like go there, and :func:`loads` has to be given them.

    Examples
    --------
    >>> loads(dumps([1, 2]))
    [1, 2]
    """
    if type(value) in FIXED:  # nothing is referred to
        return pickle.dumps(value, PROTOCOL)
    if _has_no_module(value):
        return _by_value(value, buffers)
    try:
        data = pickle.dumps(value, PROTOCOL, buffer_callback=None if buffers is None else buffers.append)
    except Exception:
        return _by_value(value, buffers)
    if b"__main__" in data or b"__mp_main__" in data or _names_a_registered_module(data):
        # plain pickle wrote a reference into the script itself, which no worker can import
        return _by_value(value, buffers)
    return data


def _names_a_registered_module(data: bytes) -> bool:
    """Whether a pickle refers to a module that the user gave to ``cloudpickle.register_pickle_by_value``."""
    registered = cloudpickle.list_registry_pickle_by_value()
    return bool(registered) and any(name.encode() in data for name in registered)


def loads(data: Any, *, buffers: Iterable[Any] | None = None) -> Any:
    """Unpickle what :func:`dumps` has made."""
    if len(data) > _WITHOUT_CLASS and holds_classes(data):
        return Unpickler(io.BytesIO(data), buffers=buffers).load()
    return pickle.loads(data, buffers=buffers)


class _RefPickler(Pickler):
    def __init__(self, file: io.BytesIO, ref_of: Callable[[Any], int | None]) -> None:
        super().__init__(file, PROTOCOL)
        self._ref_of = ref_of

    def persistent_id(self, obj: Any) -> int | None:
        return self._ref_of(obj)


class _RefUnpickler(Unpickler):
    def __init__(self, data: bytes, values: Numbered) -> None:
        super().__init__(io.BytesIO(data))
        self._values = values
        self._given: dict[Any, Any] = {}

    def persistent_load(self, pid: Any) -> Any:
        if pid not in self._given:
            self._given[pid] = self._values[pid]
        return self._given[pid]


def dumps_with_refs(value: Any, ref_of: Callable[[Any], int | None]) -> bytes:
    """Pickle a value in which some objects stand for values that are already on the cluster.

    ``ref_of(obj)`` gives the number of such an object, or None for all others.
    """
    buffer = io.BytesIO()
    _RefPickler(buffer, ref_of).dump(value)
    return buffer.getvalue()


class Numbered(Protocol):
    """Values by number: a list, or :class:`~parsl_on_dask.remote.copies.Copies`."""

    def __getitem__(self, number: Any, /) -> Any: ...


def loads_with_refs(data: bytes, values: Numbered) -> Any:
    """Unpickle, with ``values`` in the places of the numbered objects."""
    return _RefUnpickler(data, values).load()


class Promise:
    """Stands, in the arguments of a call, for the value of a call that runs before it on the same worker.

    `number`: of that call.
    """

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return (_kept, (self.number,))


class PromiseMissing(Exception):
    """A promised value is not here."""


_promised = threading.local()


def _kept(number: int) -> Any:
    data = _promised.results.get(number)
    if data is None:
        raise PromiseMissing
    return loads(data)


def loads_with_promises(data: bytes, results: Mapping[int, bytes]) -> Any:
    """Unpickle, with copies of the pickled ``results`` in the places of promises.

    Raises PromiseMissing when one of them is not there.
    """
    _promised.results = results
    return loads(data)


def looks_large(value: Any, limit: int) -> bool:
    """Whether a value is surely larger than ``limit`` bytes, without pickling it."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size > limit
    if isinstance(value, (bytes, bytearray, str)):
        return len(value) > limit
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return len(value) > limit
    return False
