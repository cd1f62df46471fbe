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


@id_for_memo.register(bytes)
@id_for_memo.register(bytearray)
def _bytes_id(obj: bytes | bytearray, output_ref: bool = False) -> Any:
    if type(obj) not in (bytes, bytearray):
        return from_library(obj, output_ref, bytes, bytearray)
    return tagged("bytes", short(obj))


@id_for_memo.register(memoryview)
def _memoryview_id(obj: memoryview, output_ref: bool = False) -> bytes:
    return tagged("memoryview", obj.format.encode(), repr(obj.shape).encode(), short(obj.tobytes()))


@id_for_memo.register(set)
@id_for_memo.register(frozenset)
def _set_id(obj: set[Any] | frozenset[Any], output_ref: bool = False) -> bytes:
    refuse_subclass(obj, set, frozenset)
    return tagged("set", *sorted(ident(e, output_ref) for e in obj))


@id_for_memo.register(complex)
def _complex_id(obj: complex, output_ref: bool = False) -> Any:
    if type(obj) is not complex:
        return from_library(obj, output_ref, complex)
    return tagged("complex", struct.pack(">dd", obj.real, obj.imag))


@id_for_memo.register(Decimal)
def _decimal_id(obj: Decimal, output_ref: bool = False) -> bytes:
    refuse_subclass(obj, Decimal)
    sign, digits, exponent = obj.as_tuple()  # str() would depend on the context
    return numbers("Decimal", sign, "".join(map(str, digits)), exponent)


@id_for_memo.register(Fraction)
def _fraction_id(obj: Fraction, output_ref: bool = False) -> bytes:
    refuse_subclass(obj, Fraction)
    return tagged("Fraction", ident(obj.numerator), ident(obj.denominator))


@id_for_memo.register(uuid.UUID)
def _uuid_id(obj: uuid.UUID, output_ref: bool = False) -> bytes:
    refuse_subclass(obj, uuid.UUID)
    return tagged("UUID", obj.bytes)


@id_for_memo.register(range)
def _range_id(obj: range, output_ref: bool = False) -> bytes:
    return tagged("range", ident(obj.start), ident(obj.stop), ident(obj.step))


@id_for_memo.register(slice)
def _slice_id(obj: slice, output_ref: bool = False) -> bytes:
    return tagged("slice", ident(obj.start), ident(obj.stop), ident(obj.step))


@id_for_memo.register(type(Ellipsis))
def _ellipsis_id(obj: object, output_ref: bool = False) -> bytes:
    return tagged("Ellipsis")


@id_for_memo.register(re.Pattern)
def _pattern_id(obj: re.Pattern[Any], output_ref: bool = False) -> bytes:
    return tagged("Pattern", ident(obj.pattern), ident(int(obj.flags)))


@id_for_memo.register(pathlib.PurePath)
def _path_id(obj: pathlib.PurePath, output_ref: bool = False) -> bytes:
    refuse_subclass(obj, *_PATHS)
    kind = "Windows path" if isinstance(obj, pathlib.PureWindowsPath) else "path"
    return tagged(kind, str(obj).encode("utf-8", "surrogatepass"))


@id_for_memo.register(enum.Enum)
def _enum_id(obj: enum.Enum, output_ref: bool = False) -> bytes:
    value: Any = obj.value
    plain = type(value) in (str, int, float, bool, bytes, type(None))
    name = "" if isinstance(obj, enum.Flag) else obj.name  # several versions of Python name combined flags differently
    return tagged("Enum", class_name(type(obj)), name.encode(), ident(value) if plain else b"")


# -- dates and times


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


@id_for_memo.register(datetime.datetime)
def _datetime_id(obj: datetime.datetime, output_ref: bool = False) -> Any:
    if type(obj) is not datetime.datetime:
        return from_library(obj, output_ref, datetime.datetime)
    return tagged("datetime", obj.replace(tzinfo=None).isoformat().encode(), b"%d" % obj.fold, zone_id(obj))


@id_for_memo.register(datetime.date)
def _date_id(obj: datetime.date, output_ref: bool = False) -> bytes:
    refuse_subclass(obj, datetime.date)
    return tagged("date", obj.isoformat().encode())


@id_for_memo.register(datetime.time)
def _time_id(obj: datetime.time, output_ref: bool = False) -> bytes:
    refuse_subclass(obj, datetime.time)
    return tagged("time", obj.replace(tzinfo=None).isoformat().encode(), b"%d" % obj.fold, zone_id(obj))


@id_for_memo.register(datetime.timedelta)
def _timedelta_id(obj: datetime.timedelta, output_ref: bool = False) -> Any:
    if type(obj) is not datetime.timedelta:
        return from_library(obj, output_ref, datetime.timedelta)
    return numbers("timedelta", obj.days, obj.seconds, obj.microseconds)


@id_for_memo.register(datetime.timezone)
def _timezone_id(obj: datetime.timezone, output_ref: bool = False) -> bytes:
    return numbers("timezone", obj.utcoffset(None), obj.tzname(None))


# -- what can be called, by name


@id_for_memo.register(type)
def _class_id(obj: type, output_ref: bool = False) -> bytes:
    return tagged("class", class_name(obj))


@id_for_memo.register(types.BuiltinFunctionType)
def _builtin_id(obj: types.BuiltinFunctionType, output_ref: bool = False) -> bytes:
    owner = obj.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return tagged("builtin", str(obj.__module__).encode(), obj.__qualname__.encode())
    return tagged("builtin method", obj.__qualname__.encode(), ident(owner))


@id_for_memo.register(types.MethodType)
def _method_id(obj: types.MethodType, output_ref: bool = False) -> bytes:
    return tagged("method", ident(obj.__func__), ident(obj.__self__))


@id_for_memo.register(functools.partial)
def _partial_id(obj: functools.partial[Any], output_ref: bool = False) -> bytes:
    refuse_subclass(obj, functools.partial)
    return tagged("partial", ident(obj.func), ident(obj.args), ident(obj.keywords))
