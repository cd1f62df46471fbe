"""The key under which a call's result is cached.

The digests are Parsl's, bit for bit, so that the checkpoint files of either are of use to the other. What
goes into one: the app's name and module, the arguments, and the keywords. The app's source text does not.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import types
from collections.abc import Callable, Mapping
from functools import lru_cache, partial, singledispatch
from typing import Any

from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.remote.shell import run_bash
from parsl_on_dask.remote.standin import FinishedFuture

logger = logging.getLogger("parsl.dataflow.memoization")


@singledispatch
def id_for_memo(obj: object, output_ref: bool = False) -> Any:
    """What stands for a value in the key of a cached call. Equal results mean: the same value.

    It knows str, int, float, None, and lists, tuples and dicts (not their subclasses) of what it knows,
    and functions. For other types, register a function of one's own. (Parsl's memoization page.)

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
    name = type(obj).__qualname__
    logger.error("No id_for_memo for type %s", type(obj))
    raise ValueError(
        f"unknown type for memoization: {type(obj)}. Register what identifies such a value, "
        f"@id_for_memo.register({name}) on a function (obj, output_ref=False) that returns bytes, "
        "or leave the argument out of the key with ignore_for_cache=[its name]"
    )


@id_for_memo.register(str)
@id_for_memo.register(int)
@id_for_memo.register(float)
@id_for_memo.register(type(None))
def _plain_id(obj: object, output_ref: bool = False) -> bytes:
    return pickle.dumps(obj)


@id_for_memo.register(list)
@id_for_memo.register(tuple)
def _sequence_id(obj: list[Any] | tuple[Any, ...], output_ref: bool = False) -> bytes:
    _refuse_subclass(obj, (list, tuple))
    return pickle.dumps([id_for_memo(element, output_ref=output_ref) for element in obj])


@id_for_memo.register(dict)
def _dict_id(obj: dict[Any, Any], output_ref: bool = False) -> bytes:
    _refuse_subclass(obj, (dict,))
    parts = []
    for key in sorted(obj):
        parts.append(id_for_memo(key))
        parts.append(id_for_memo(obj[key], output_ref=output_ref))
    return pickle.dumps(parts)


def _refuse_subclass(obj: object, exact: tuple[type, ...]) -> None:
    if type(obj) not in exact:
        base = next(t for t in exact if isinstance(obj, t))
        raise ValueError(
            f"unknown type for memoization: {type(obj)}, a subclass of {base.__name__} which may hold more than its "
            f"elements. Register it with @id_for_memo.register({type(obj).__qualname__}), "
            f"or pass a plain {base.__name__}"
        )


def _function_digest(name: str, module: str | None) -> bytes:
    return pickle.dumps(["types.FunctionType", name, module])


# The cache is part of the format: pickle writes an object that it meets a second time as a reference to the
# first, so a function that stands twice in one list must give one bytes object, not two equal ones.
@id_for_memo.register(types.FunctionType)
@lru_cache
def _function_id(obj: types.FunctionType, output_ref: bool = False) -> bytes:
    return _function_digest(obj.__name__, obj.__module__)


@id_for_memo.register(FinishedFuture)
def _stand_in_id(obj: FinishedFuture, output_ref: bool = False) -> Any:
    return id_for_memo(obj.result(), output_ref=output_ref)


@id_for_memo.register(RemoteValue)
def _remote_value_id(obj: RemoteValue, output_ref: bool = False) -> Any:
    return id_for_memo(obj.fetch(), output_ref=output_ref)


def app_id(function: Callable[..., Any]) -> Any:
    """What stands for an app's function in a key.

    Parameters
    ----------
    function : callable
        What the app handed to the kernel: the user's function, the one that runs a bash app, or a wrapper of
        either (walltime, staging).
    """
    if isinstance(function, types.FunctionType):
        return id_for_memo(function)
    if isinstance(function, partial):
        if function.func is run_bash:
            # Parsl sees a partial here, too, and takes its module, not the user's
            name = getattr(function, "__name__", None) or getattr(function.args[0], "__name__", None)
            return _function_digest(name, "functools") if name else app_id(function.args[0])
        # Parsl gives all partials in a module one key, and so, one's result for another's call
        return pickle.dumps(
            ["functools.partial", app_id(function.func), id_for_memo(function.args), id_for_memo(function.keywords)]
        )
    wrapped = getattr(function, "__wrapped__", None)
    if callable(wrapped):
        return app_id(wrapped)
    if id_for_memo.dispatch(type(function)) is not id_for_memo.dispatch(object):
        return pickle.dumps([id_for_memo(function)])  # a user's own may be no bytes
    name = getattr(function, "__name__", None) or type(function).__qualname__
    return _function_digest(name, getattr(function, "__module__", None))


def make_hash(task: Mapping[str, Any]) -> str:
    """The key of a call: 32 hexadecimal digits.

    Parameters
    ----------
    task : TaskRecord
        With its futures replaced by their values. Read are func, args, kwargs and ignore_for_cache.

    Raises
    ------
    ValueError
        When an argument is of a type that :func:`id_for_memo` does not know.

    Examples
    --------
    >>> def app(x):
    ...     return x
    >>> def key(*args, **kwargs):
    ...     return make_hash({"func": app, "args": args, "kwargs": kwargs, "ignore_for_cache": ["seed"]})
    >>> key(1, seed=2) == key(1, seed=3), key(1) == key(2)
    (True, False)
    """
    keywords = dict(task["kwargs"])
    for name in task["ignore_for_cache"] or ():
        keywords.pop(name, None)
    parts = []
    if "outputs" in keywords:
        parts.append(id_for_memo(keywords.pop("outputs"), output_ref=True))
    parts.append(id_for_memo(keywords))
    parts.append(app_id(task["func"]))
    parts.append(id_for_memo(task["args"]))
    return hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
