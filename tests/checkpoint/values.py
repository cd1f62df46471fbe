"""Values of all the standard types that can be part of a key, for comparison between processes and Pythons."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import math
import pathlib
import re
import uuid
import zoneinfo
from typing import Any, NamedTuple

from parsl_on_dask.checkpoint.ids import ident
from parsl_on_dask.data_provider.files import File


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: float
    y: float


@dataclasses.dataclass
class Mesh:
    name: str
    cells: list[int]
    origin: Any = (0.0, 0.0)


def scale(x: float, factor: float = 2) -> float:
    return x * factor


def values() -> dict[str, Any]:
    """Name and value, all different."""
    words = ["alpha", "beta", "gamma", "delta", "epsilon"]
    context = decimal.Context(prec=50)
    return {
        "bytes": b"abc",
        "long bytes": b"abc" * 100,
        "set": set(words),
        "mixed set": {1, "1", None, 2.5, (1, "a"), b"x"},
        "set of sets": {frozenset(words), frozenset([1, 2]), frozenset()},
        "path": pathlib.Path("data/in.txt"),
        "windows path": pathlib.PureWindowsPath("data/in.txt"),
        "date": dt.date(2024, 2, 29),
        "datetime": dt.datetime(2024, 2, 29, 1, 2, 3, 4),
        "folded datetime": dt.datetime(2024, 2, 29, 1, 2, 3, 4, fold=1),
        "datetime utc": dt.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=dt.timezone.utc),
        "datetime zone": dt.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=zoneinfo.ZoneInfo("UTC")),
        "time": dt.time(1, 2, 3),
        "timedelta": dt.timedelta(days=-1, microseconds=5),
        "timezone": dt.timezone(dt.timedelta(hours=2)),
        "decimal": decimal.Decimal("1.10"),
        "decimal, other digits": decimal.Decimal("1.1"),
        "large decimal": context.create_decimal("1E+400"),
        "nan": decimal.Decimal("NaN"),
        "fraction": fractions.Fraction(1, 3),
        "uuid": uuid.UUID(int=5),
        "enum": Colour.RED,
        "other enum": Colour.BLUE,
        "flags": Access.READ | Access.WRITE,
        "flag": Access.READ,
        "complex": complex(1, -0.0),
        "complex, other zero": complex(1, 0.0),
        "range": range(2, 10, 3),
        "slice": slice(None, 5),
        "ellipsis": ...,
        "pattern": re.compile("a+", re.IGNORECASE),
        "dataclass": Mesh("m", [1, 2]),
        "dataclass, other cells": Mesh("m", [1, 3]),
        "namedtuple": Point(0.0, 1.0),
        "mixed dict": {1: "a", "1": "b", None: "c", (1, "x"): "d"},
        "dict with sets as keys": {frozenset([1]): 1, frozenset([2]): 2},
        "ordered dict": collections.OrderedDict([("a", 1), ("b", 2)]),
        "ordered dict, other order": collections.OrderedDict([("b", 2), ("a", 1)]),
        "defaultdict": collections.defaultdict(list, a=[1]),
        "counter": collections.Counter("abca"),
        "class": Mesh,
        "builtin": math.sqrt,
        "partial": functools.partial(scale, factor=3),
        "other partial": functools.partial(scale, factor=4),
        "File": File("data/in.txt"),
        "remote File": File("https://example.org/in.txt"),
    }


def check_that_they_differ(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Of values made twice: each is the same part of a key both times, and no two are."""
    seen: dict[bytes, str] = {}
    for name, value in first.items():
        part = ident(value)
        assert part == ident(second[name]), name
        assert part not in seen, (name, seen.get(part))
        seen[part] = name
