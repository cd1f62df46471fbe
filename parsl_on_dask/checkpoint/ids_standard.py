"""What identifies values of the standard library's types that Parsl does not know."""

from __future__ import annotations

import datetime
import enum
import functools
import pathlib
import re
import struct
import types
import uuid
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from parsl_on_dask.checkpoint.ids import class_name, from_library, id_for_memo, ident, refuse_subclass, short, tagged

_PATHS = (
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.PurePath,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.Path,
)


def numbers(tag: str, *values: Any) -> bytes:
    """Whole numbers and plain text as one byte string."""
    return tagged(tag, *(str(v).encode("utf-8", "surrogatepass") for v in values))


def zone_id(when: datetime.datetime | datetime.time) -> bytes:
    """What stands for a time zone, at a certain time."""
    zone = when.tzinfo
    if zone is None:
        return b""
    if type(zone) is datetime.timezone:
        return numbers("offset", zone.utcoffset(None))
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)  # zoneinfo, pytz
    return tagged(
        "zone",
        name.encode() if isinstance(name, str) else class_name(type(zone)),
        str(when.utcoffset()).encode(),
        str(when.tzname()).encode(),
    )


@id_for_memo.register(set)
@id_for_memo.register(frozenset)
def set_id(obj: set[Any] | frozenset[Any], output_ref: bool = False) -> bytes:
    """A set and a frozenset are alike, in whatever order their elements come."""
    refuse_subclass(obj, set, frozenset)
    return tagged("set", *sorted(ident(e, output_ref) for e in obj))


def _decimal(obj: Decimal) -> bytes:
    sign, digits, exponent = obj.as_tuple()  # str() would depend on the context
    return numbers("Decimal", sign, "".join(map(str, digits)), exponent)


def _path(obj: pathlib.PurePath) -> bytes:
    refuse_subclass(obj, *_PATHS)
    kind = "Windows path" if isinstance(obj, pathlib.PureWindowsPath) else "path"
    return tagged(kind, str(obj).encode("utf-8", "surrogatepass"))


def _enum(obj: enum.Enum) -> bytes:
    value: Any = obj.value
    plain = type(value) in (str, int, float, bool, bytes, type(None))
    name = "" if isinstance(obj, enum.Flag) else obj.name  # several versions of Python name combined flags differently
    return tagged("Enum", class_name(type(obj)), name.encode(), ident(value) if plain else b"")


def _moment(tag: str, obj: datetime.datetime | datetime.time) -> bytes:
    return tagged(tag, obj.replace(tzinfo=None).isoformat().encode(), b"%d" % obj.fold, zone_id(obj))


def _builtin(obj: types.BuiltinFunctionType) -> bytes:
    owner = obj.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return tagged("builtin", str(obj.__module__).encode(), obj.__qualname__.encode())
    return tagged("builtin method", obj.__qualname__.encode(), ident(owner))


#: Classes that others may be derived from, which may be a library's (numpy's ``float64`` is a float).
_WITH_LIBRARIES: dict[tuple[type, ...], Callable[[Any], bytes]] = {
    (bytes, bytearray): lambda v: tagged("bytes", short(v)),
    (complex,): lambda v: tagged("complex", struct.pack(">dd", v.real, v.imag)),
    (datetime.datetime,): lambda v: _moment("datetime", v),
    (datetime.timedelta,): lambda v: numbers("timedelta", v.days, v.seconds, v.microseconds),
}
#: Classes whose subclasses are refused: they may hold more than is looked at.
_EXACT: dict[type, Callable[[Any], bytes]] = {
    Decimal: _decimal,
    Fraction: lambda v: tagged("Fraction", ident(v.numerator), ident(v.denominator)),
    uuid.UUID: lambda v: tagged("UUID", v.bytes),
    datetime.date: lambda v: tagged("date", v.isoformat().encode()),
    datetime.time: lambda v: _moment("time", v),
    functools.partial: lambda v: tagged("partial", ident(v.func), ident(v.args), ident(v.keywords)),
}
#: Classes that have no subclasses, or whose subclasses are like them.
_ANY: dict[type, Callable[[Any], bytes]] = {
    memoryview: lambda v: tagged("memoryview", v.format.encode(), repr(v.shape).encode(), short(v.tobytes())),
    range: lambda v: tagged("range", ident(v.start), ident(v.stop), ident(v.step)),
    slice: lambda v: tagged("slice", ident(v.start), ident(v.stop), ident(v.step)),
    type(Ellipsis): lambda v: tagged("Ellipsis"),
    re.Pattern: lambda v: tagged("Pattern", ident(v.pattern), ident(int(v.flags))),
    pathlib.PurePath: _path,
    enum.Enum: _enum,
    datetime.timezone: lambda v: numbers("timezone", v.utcoffset(None), v.tzname(None)),
    # what can be called, by name
    type: lambda v: tagged("class", class_name(v)),
    types.BuiltinFunctionType: _builtin,
    types.MethodType: lambda v: tagged("method", ident(v.__func__), ident(v.__self__)),
}


def _register(kinds: tuple[type, ...], function: Callable[[Any], bytes], subclass: Callable[..., Any] | None) -> None:
    """Register a function for classes; ``subclass`` is called with values of classes that are derived from these."""

    def identify(obj: Any, output_ref: bool = False) -> Any:
        if subclass is not None and type(obj) not in kinds:
            return subclass(obj, output_ref, *kinds)
        return function(obj)

    for kind in kinds:
        id_for_memo.register(kind, identify)


for _kinds, _function in _WITH_LIBRARIES.items():
    _register(_kinds, _function, from_library)
for _kind, _function in _EXACT.items():
    _register((_kind,), _function, lambda obj, _, *exact: refuse_subclass(obj, *exact))
for _kind, _function in _ANY.items():
    _register((_kind,), _function, None)
