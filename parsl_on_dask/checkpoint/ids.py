"""What stands for a value in the key of a cached call.

For what Parsl knows, the bytes are Parsl's. What is added here to that begins with ``+``, as no pickle does, and
every part of it carries its length, so that two different values cannot read the same. Nothing in it depends on
the order of a set, the address of an object, or the version of Python.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import pickle
import threading
import types
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache, singledispatch
from typing import Any

from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.remote.standin import FinishedFuture

#: Of pickles in keys: what Python up to 3.13 takes when nothing is said. Later ones take another, and keys must not
#: depend on that.
PROTOCOL = 4

#: Longer data count by a digest of so many bytes.
SHORT = 64
DIGEST = 20


class UnknownType(ValueError):
    """A value of which nobody has said what identifies it. (Parsl raises a bare ``ValueError``.)"""


@singledispatch
def id_for_memo(obj: object, output_ref: bool = False) -> Any:
    """What stands for a value in the key of a cached call. Equal results mean: the same value.

    It knows Python's plain types and containers, functions and classes by name, enumerations, dataclasses, named
    tuples, dates, numbers, paths, ``File``, and the arrays, scalars, tables and columns of numpy and pandas.
    For other types, register a function of one's own; it also replaces what is built in. (Parsl's memoization
    page, which has str, int, float, None, list, tuple, dict and functions.)

    Parameters
    ----------
    obj
        The value.
    output_ref : bool, default False
        True for an element of ``outputs``: what a file will contain is not known yet, so only its name can count.

    Raises
    ------
    ValueError
        For a type that nobody has registered.

    Examples
    --------
    >>> class Sample:
    ...     def __init__(self, name):
    ...         self.name = name
    >>> @id_for_memo.register(Sample)
    ... def sample_id(sample, output_ref=False):
    ...     return sample.name.encode()
    >>> id_for_memo(Sample("water"))
    b'water'
    >>> id_for_memo([1, 2]) == id_for_memo((1, 2))
    True
    """
    _learn(type(obj))
    known = id_for_memo.dispatch(type(obj))
    if known is not _registry[object]:
        return known(obj, output_ref=output_ref)
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        return _dataclass_id(obj, output_ref)
    raise UnknownType(f"unknown type for memoization: {type(obj)}. {how_to_register(type(obj))}")


_registry = id_for_memo.registry


def how_to_register(kind: type) -> str:
    """The sentence that says what to do about an unknown type."""
    return (
        f"Register what identifies such a value: @id_for_memo.register({kind.__qualname__}) on a function "
        "(obj, output_ref=False) that returns bytes; id_for_memo is in parsl.dataflow.memoization"
    )


def is_known(kind: type) -> bool:
    """Whether somebody has said what identifies values of a class."""
    _learn(kind)
    return id_for_memo.dispatch(kind) is not _registry[object] or hasattr(kind, "__dataclass_fields__")


def ident(obj: object, output_ref: bool = False) -> bytes:
    """What :func:`id_for_memo` says, as bytes: a user's function may return something else.

    >>> ident(b"abc")
    b'+bytes\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x04=abc'
    """
    found = (_registry.get(type(obj)) or id_for_memo)(obj, output_ref=output_ref)
    return found if type(found) is bytes else pickle.dumps(found, PROTOCOL)


def tagged(tag: str, *parts: bytes) -> bytes:
    """Several byte strings as one, which no other list of them gives.

    >>> tagged("pair", b"a", b"bc") == tagged("pair", b"ab", b"c")
    False
    """
    # always a new object: pickle would write one that it has met before as a reference to the first
    out = [b"+", tag.encode(), b"\0"]
    for part in parts:
        out.append(len(part).to_bytes(8, "big"))
        out.append(part)
    return b"".join(out)


def short(data: bytes | bytearray | memoryview) -> bytes:
    """Data, or their digest when they are long."""
    if len(data) <= SHORT:
        return b"=" + bytes(data)
    return b"#" + hashlib.blake2b(data, digest_size=DIGEST).digest()


def class_name(kind: type) -> bytes:
    """What stands for a class: its module and name.

    >>> class_name(OrderedDict)
    b'collections:OrderedDict'
    """
    return f"{kind.__module__}:{kind.__qualname__}".encode()


def refuse_subclass(obj: object, *exact: type) -> None:
    """Raise for a value of a class derived from a known one: it may hold more than its base does."""
    if type(obj) not in exact:
        base = next(t for t in exact if isinstance(obj, t))
        raise UnknownType(
            f"unknown type for memoization: {type(obj)}, a subclass of {base.__name__} which may hold more than that "
            f"does. {how_to_register(type(obj))}; or pass a plain {base.__name__}"
        )


# -- what Parsl knows, and as Parsl writes it


@id_for_memo.register(str)
@id_for_memo.register(int)
@id_for_memo.register(float)
@id_for_memo.register(type(None))
def plain_id(obj: object, output_ref: bool = False) -> bytes:
    """A pickle."""
    return pickle.dumps(obj, PROTOCOL)


@id_for_memo.register(list)
@id_for_memo.register(tuple)
def sequence_id(obj: list[Any] | tuple[Any, ...], output_ref: bool = False) -> bytes:
    """List and tuple are alike, as in Parsl. A named tuple is not."""
    if type(obj) not in (list, tuple):
        if is_namedtuple(obj):
            return _namedtuple_id(obj, output_ref)
        refuse_subclass(obj, list, tuple)
    return pickle.dumps([(_registry.get(type(e)) or id_for_memo)(e, output_ref=output_ref) for e in obj], PROTOCOL)


@id_for_memo.register(dict)
def dict_id(obj: dict[Any, Any], output_ref: bool = False) -> bytes:
    """Sorted by key."""
    if type(obj) is not dict:
        return _kind_of_dict_id(obj, output_ref)
    if not any(map(_unordered, obj)):
        try:
            keys = sorted(obj)
        except Exception:
            pass
        else:
            parts = []
            for key in keys:
                parts.append(id_for_memo(key))
                parts.append(id_for_memo(obj[key], output_ref=output_ref))
            return pickle.dumps(parts, PROTOCOL)
    # keys that have no order among themselves, which Parsl refuses
    return tagged("dict", *sorted(tagged("item", ident(k), ident(v, output_ref)) for k, v in obj.items()))


def _unordered(key: Any) -> bool:
    """Sets can be compared, but that they contain each other puts them into no order."""
    return isinstance(key, frozenset) or (isinstance(key, tuple) and any(map(_unordered, key)))


# The cache is part of the format: pickle writes an object that it meets a second time as a reference to the
# first, so a function that stands twice in one list must give one bytes object, not two equal ones.
@id_for_memo.register(types.FunctionType)
@lru_cache
def function_id(obj: types.FunctionType, output_ref: bool = False) -> bytes:
    """Name and module, and not the source."""
    return name_digest(obj.__name__, obj.__module__)


@lru_cache(1000)
def name_digest(name: str, module: str | None) -> bytes:
    """What stands for something callable."""
    return pickle.dumps(["types.FunctionType", name, module], PROTOCOL)


# -- what is replaced by its value


@id_for_memo.register(FinishedFuture)
def _stand_in_id(obj: FinishedFuture, output_ref: bool = False) -> Any:
    return id_for_memo(obj.result(), output_ref=output_ref)


@id_for_memo.register(RemoteValue)
def _remote_value_id(obj: RemoteValue, output_ref: bool = False) -> Any:
    return id_for_memo(obj.fetch(), output_ref=output_ref)


# -- kinds of tuples, dicts and classes


def is_namedtuple(obj: object) -> bool:
    """Whether a tuple has named fields, and nothing else."""
    names = getattr(type(obj), "_fields", None)
    return (
        isinstance(obj, tuple)
        and isinstance(names, tuple)
        and len(names) == len(obj)
        and not getattr(obj, "__dict__", None)
    )


def _namedtuple_id(obj: Any, output_ref: bool) -> bytes:
    fields = (part for name, e in zip(obj._fields, obj, strict=True) for part in (name.encode(), ident(e, output_ref)))
    return tagged("namedtuple", class_name(type(obj)), *fields)


def _kind_of_dict_id(obj: dict[Any, Any], output_ref: bool) -> bytes:
    kind = type(obj)
    if kind is OrderedDict:
        return tagged("OrderedDict", *(tagged("item", ident(k), ident(v, output_ref)) for k, v in obj.items()))
    if isinstance(obj, defaultdict) and kind is defaultdict:
        return tagged("defaultdict", ident(obj.default_factory), dict_id(dict(obj), output_ref))
    if kind is Counter:
        return tagged("Counter", dict_id(dict(obj), output_ref))
    refuse_subclass(obj, dict)
    raise AssertionError("unreachable")  # pragma: no cover


def dataclass_state(obj: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of a dataclass's fields, and what an undecorated subclass has added to them."""
    names = [field.name for field in dataclasses.fields(obj)]
    for name in names:
        try:
            yield name, getattr(obj, name)
        except AttributeError:  # a field that nobody has set
            pass
    if "__dataclass_fields__" not in vars(type(obj)):
        known = set(names)
        for name, value in sorted(getattr(obj, "__dict__", {}).items()):
            if name not in known:
                yield name, value


def _dataclass_id(obj: Any, output_ref: bool) -> bytes:
    parts = (part for name, v in dataclass_state(obj) for part in (name.encode(), ident(v, output_ref)))
    return tagged("dataclass", class_name(type(obj)), *parts)


# -- libraries that are only looked at when somebody uses them


#: Each has a module of this room, which is imported when the first of its values is met.
_libraries = {"numpy", "pandas"}
_learning = threading.RLock()


def _learn(kind: type) -> None:
    """Register the types of the libraries that a class is from, or derived from."""
    for base in kind.__mro__:
        root = base.__module__.partition(".")[0]
        if root in _libraries:
            with _learning:
                if root in _libraries:
                    importlib.import_module(f"{__package__}.ids_{root}").register()
                    _libraries.remove(root)


def from_library(obj: object, output_ref: bool, *exact: type) -> Any:
    """For a subclass of a standard type: the identity that the library it is from gives it.

    Raises
    ------
    UnknownType
        When there is none.
    """
    _learn(type(obj))
    known = id_for_memo.dispatch(type(obj))
    if known is id_for_memo.dispatch(exact[0]):
        refuse_subclass(obj, *exact)
    return known(obj, output_ref=output_ref)


def register_default(kind: type, function: Callable[[Any], Any]) -> None:
    """Register a function, unless a user has registered one."""
    if kind not in _registry:
        id_for_memo.register(kind, lambda obj, output_ref=False: function(obj))
