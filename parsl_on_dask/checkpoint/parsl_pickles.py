"""Records of Parsl's checkpoint file as bytes: made from values, taken apart, and put together without unpickling."""

from __future__ import annotations

import importlib
import io
import pickle
from types import ModuleType
from typing import Any

from parsl_on_dask.remote.own_classes import Unpickler
from parsl_on_dask.remote.packing import dumps

# every Python that can run Parsl reads it, and it is what Parsl itself writes up to Python 3.13
_PROTOCOL = 4
_OURS, _THEIRS = "parsl_on_dask", "parsl"


class NotAResult(ValueError):
    """A record that holds no result for the key that it was found under."""


def record(key: str, value: Any) -> bytes:
    """A record with a value, such that Parsl can read it.

    Plain pickle writes it where it can: functions and classes of the script itself are then references into
    ``__main__``, as in Parsl's own files. cloudpickle writes the rest. References into this package are written as
    references to Parsl's modules of the same names.

    Raises Exception: whatever cloudpickle raises for a value that cannot be pickled.

    Examples
    --------
    >>> result(record("0" * 32, [1, 2]), "0" * 32)
    [1, 2]
    """
    entry = {"hash": key, "exception": None, "result": value}
    try:
        data = pickle.dumps(entry, _PROTOCOL)
        if _OURS.encode() in data:
            buffer = io.BytesIO()
            _ForParsl(buffer, _PROTOCOL).dump(entry)
            data = buffer.getvalue()
    except Exception:
        data = dumps(entry)
    return data


def result(data: bytes, key: str) -> Any:
    """The value in a record; a reference to Parsl's modules means the same in this package.

    Raises NotAResult when the record is a failure's, another key's, or none. Raises Exception: whatever unpickling
    raises.
    """
    entry = _FromParsl(io.BytesIO(data)).load()
    if not isinstance(entry, dict) or entry.get("hash") != key or "result" not in entry:
        raise NotAResult("it is not what its place in the file promised")
    if entry.get("exception") is not None:
        raise NotAResult("it records a failure, and failures are not reused")
    return entry["result"]


def record_of_pickle(key: str, value: bytes) -> bytes:
    """A record around a value that is pickled already, and stays as it is.

    Examples
    --------
    >>> result(record_of_pickle("0" * 32, pickle.dumps("water")), "0" * 32)
    'water'
    """
    if value[:1] != b"\x80" or value[-1:] != b".":
        raise ValueError("not a pickle of protocol 2 or newer")
    # This head memoizes nothing, so the value's numbering of what it memoizes stays right. SETITEMS takes the place of
    # the value's STOP, also in its frame, whose length stays right, too.
    head = b"}(\x8c\x04hash\x8c%c%s\x8c\texceptionN\x8c\x06result" % (len(key), key.encode())
    return b"%s%s%su." % (value[:2], head, value[2:-1])


def pickle_of_record(data: bytes) -> bytes:
    """The value in a record as a pickle of its own, made without unpickling it.

    A record can so be carried to another file by a program that cannot import what its value is made of.

    Examples
    --------
    >>> pickle.loads(pickle_of_record(record("0" * 32, "water")))
    'water'
    """
    if data[:1] != b"\x80" or data[-1:] != b".":
        raise NotAResult("not a pickle of protocol 2 or newer")
    # The value may refer to what the record's head has memoized, so the whole record stays, as the first argument of
    # operator.getitem; GLOBAL, in front of it, memoizes nothing. The other argument is "result"; call it, stop.
    return b"%scoperator\ngetitem\n%s\x8c\x06result\x86R." % (data[:2], data[2:-1])


class _FromParsl(Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == _THEIRS or module.startswith(_THEIRS + "."):
            try:
                return super().find_class(_OURS + module[len(_THEIRS) :], name)
            except (ImportError, AttributeError):
                pass  # not in this package: perhaps Parsl is installed as well
        if (module, name) == ("importlib", "import_module"):
            return _import_module
        return super().find_class(module, name)


def _import_module(name: str) -> ModuleType:
    if name.startswith(_THEIRS + "."):
        try:
            return importlib.import_module(_OURS + name[len(_THEIRS) :])
        except ImportError:
            pass
    return importlib.import_module(name)


class _ForParsl(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        module = getattr(obj, "__module__", None) if callable(obj) and hasattr(obj, "__qualname__") else None
        if isinstance(module, str) and module.split(".")[0] == _OURS:
            return getattr, (_Module(_THEIRS + module[len(_OURS) :]), obj.__qualname__)
        return NotImplemented


class _Module:
    def __init__(self, name: str) -> None:
        self._name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self._name,)
