"""Finds the value inside an argument that cannot be part of a key, and says where it is."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from parsl_on_dask.checkpoint.ids import dataclass_state, id_for_memo, is_namedtuple

#: So deep is looked.
DEPTH = 50


def inside(obj: Any, output_ref: bool = False, depth: int = DEPTH) -> str:
    """The way to the first value inside another that :func:`id_for_memo` refuses.

    - `obj`: what was refused as a whole.
    - `output_ref`: as for :func:`id_for_memo`.

    Returns the way as one would write it; an empty text when it is `obj` itself.

    Examples
    --------
    >>> inside([1, {"mesh": (0, object())}])
    "[1]['mesh'][1]"
    """
    if depth:
        for step, value in _children(obj):
            try:
                id_for_memo(value, output_ref=output_ref)
            except Exception:
                return step + inside(value, output_ref, depth - 1)
    return ""


def _children(obj: Any) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        for name, value in dataclass_state(obj):
            yield f".{name}", value
    elif is_namedtuple(obj):
        for name in obj._fields:
            yield f".{name}", getattr(obj, name)
    elif isinstance(obj, (list, tuple)):
        for i, value in enumerate(obj):
            yield f"[{i}]", value
    elif isinstance(obj, Mapping):
        for key in obj:
            yield f" (key {_shown(key)})", key
            yield f"[{_shown(key)}]", obj[key]
    elif isinstance(obj, (set, frozenset)):
        for value in obj:
            yield f" (element {_shown(value)})", value
    elif isinstance(obj, functools.partial):
        yield ".func", obj.func
        yield ".args", obj.args
        yield ".keywords", obj.keywords


def _shown(key: Any) -> str:
    try:
        text = repr(key)
    except Exception:
        text = f"<{type(key).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."
