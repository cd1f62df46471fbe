"""The parts of a key, as they are recorded, so that two calls can be compared later."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import pathlib
import types
import uuid
import weakref
from collections.abc import Callable
from typing import Any

from parsl_on_dask.data_provider.files import File
from parsl_on_dask.remote.shell import run_bash

#: What it is, twelve digits that stand for its value, and the value in short.
Part = tuple[str, str, str]

#: Longer texts are not recorded.
LONGEST = 60

_BARE = frozenset({bool, float, type(None), complex})
_NAMED = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, fractions.Fraction, uuid.UUID)
_CONTAINERS = (list, tuple, dict, set, frozenset)

_labels: weakref.WeakKeyDictionary[types.FunctionType, tuple[str, ...]] = weakref.WeakKeyDictionary()


def part(label: str, ident: bytes, text: str) -> Part:
    """One part.

    >>> part("keyword x", b"abc", "'abc'")
    ('keyword x', '13c9497c2425', "'abc'")
    """
    return label, hashlib.blake2b(ident, digest_size=6).hexdigest(), text


@functools.lru_cache(4096)
def function_part(app: bytes, extra: str, name: str) -> Part:
    """The part of an app's function: the same for all its calls.

    - `app`: what stands for the function in keys by name.
    - `extra`: what is added to that by another identity.
    - `name`: of the app.
    """
    if not extra:
        return part("function", app, name)
    return part("function", app + extra.encode("utf-8", "surrogatepass"), f"{name} ({extra})")


def short_text(value: Any) -> str:
    """A value as it would be written when it is plain and short, else what it is.

    Examples
    --------
    >>> short_text("water"), short_text([1, 2.5]), short_text(list(range(1000))), short_text(b"x" * 99)
    ("'water'", '[1, 2.5]', 'list of 1000', 'bytes of 99')
    """
    kind = type(value)
    if kind is str or kind is bytes:
        return repr(value) if len(value) <= LONGEST - 2 else f"{kind.__name__} of {len(value)}"
    if kind in _BARE:
        return repr(value)
    if kind is int:
        return repr(value) if value.bit_length() < 190 else f"int of {value.bit_length()} bits"
    if kind in _CONTAINERS:
        if len(value) <= 10:
            text = repr(value) if _is_plain(value) else ""
            if text and len(text) <= LONGEST:
                return text
        return f"{kind.__name__} of {len(value)}"
    if isinstance(value, File):
        text = f"File({value.url!r})"
    elif isinstance(value, enum.Enum):
        text = f"{kind.__name__}.{value.name}"
    elif isinstance(value, pathlib.PurePath):
        text = f"{kind.__name__}({str(value)!r})"
    elif kind in _NAMED or kind is datetime.datetime:
        text = repr(value)
    else:
        text = getattr(value, "__name__", "") if callable(value) else ""
    return text if isinstance(text, str) and 0 < len(text) <= LONGEST else kind.__name__


def _is_plain(container: Any) -> bool:
    values = (*container, *container.values()) if type(container) is dict else container
    for value in values:
        kind = type(value)
        if kind is str or kind is bytes:
            if len(value) > LONGEST:
                return False
        elif kind is int:
            if value.bit_length() > 190:
                return False
        elif kind not in _BARE:
            return False
    return True


def argument_labels(function: Callable[..., Any]) -> tuple[str, ...]:
    """What positional arguments are called, as far as the function names them.

    `function`: what an app handed to the kernel.

    Examples
    --------
    >>> argument_labels(lambda mesh, *more: None)
    ('argument 0 (mesh)',)
    """
    plain = user_function(function)
    if not isinstance(plain, types.FunctionType):
        return ()
    labels = _labels.get(plain)
    if labels is None:
        code = plain.__code__
        names = code.co_varnames[: code.co_argcount]
        labels = tuple(f"argument {i} ({name})" for i, name in enumerate(names))
        _labels[plain] = labels
    return labels


def user_function(function: Any) -> Any:
    """The function that a user wrote, below what was put around it to run it.

    >>> from parsl_on_dask.remote.walltime import timeout
    >>> user_function(timeout(functools.partial(run_bash, len), 5))
    <built-in function len>
    """
    while True:
        if type(function) is types.FunctionType:
            wrapped = function.__dict__.get("__wrapped__")
        elif isinstance(function, functools.partial):
            wrapped = function.args[0] if function.func is run_bash else None
        else:
            wrapped = getattr(function, "__wrapped__", None)
        if wrapped is None:
            return function
        function = wrapped
