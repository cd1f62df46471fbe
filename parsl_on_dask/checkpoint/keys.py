"""The key under which a call's result is cached, and the parts that it is made of.

The digests are Parsl's, bit for bit, so that the checkpoint files of either are of use to the other. What
goes into one: the app's name and module, the arguments, and the keywords. The app's source text does not,
unless another identity is chosen: see :mod:`parsl_on_dask.checkpoint.identity`.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import types
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import parsl_on_dask.checkpoint.ids_standard  # noqa: F401 (makes its types known)
from parsl_on_dask.checkpoint.identity import identity_of
from parsl_on_dask.checkpoint.ids import (
    PROTOCOL,
    UnknownType,
    dict_id,
    id_for_memo,
    ident,
    is_known,
    name_digest,
    plain_id,
    sequence_id,
    tagged,
)
from parsl_on_dask.checkpoint.ids_files import MissingFile, file_id, files_by
from parsl_on_dask.checkpoint.parts import Part, argument_labels, function_part, part, short_text
from parsl_on_dask.checkpoint.policy import FilePolicy
from parsl_on_dask.checkpoint.refused_part import inside
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.python_internals.digests import short_md5
from parsl_on_dask.remote.shell import run_bash

__all__ = ["app_id", "id_for_memo", "make_hash", "make_key", "make_key_first"]

logger = logging.getLogger("parsl.dataflow.memoization")

_registry = id_for_memo.registry
_NO_KEYWORDS = pickle.dumps([], PROTOCOL)
#: Bytes from which on OpenSSL is quicker.
_LONG = 2048


def app_id(function: Callable[..., Any]) -> Any:
    """What stands for an app's function in a key.

    - `function`: what the app handed to the kernel: the user's function, the one that runs a bash app, or a wrapper of
      either (walltime, staging).
    """
    if isinstance(function, types.FunctionType):
        return (_registry.get(type(function)) or id_for_memo)(function)
    if isinstance(function, partial):
        if function.func is run_bash:
            # Parsl sees a partial here, too, and takes its module, not the user's
            name = getattr(function, "__name__", None) or getattr(function.args[0], "__name__", None)
            return name_digest(name, "functools") if name else app_id(function.args[0])
        # Parsl gives all partials in a module one key, and so, one's result for another's call
        return pickle.dumps(
            ["functools.partial", app_id(function.func), id_for_memo(function.args), id_for_memo(function.keywords)],
            PROTOCOL,
        )
    wrapped = getattr(function, "__wrapped__", None)
    if callable(wrapped):
        return app_id(wrapped)
    by_name = isinstance(function, (type, types.BuiltinFunctionType, types.MethodType))
    if not by_name and is_known(type(function)):
        return pickle.dumps([id_for_memo(function)], PROTOCOL)  # a user's own may be no bytes
    name = getattr(function, "__name__", None) or type(function).__qualname__
    return name_digest(name, getattr(function, "__module__", None))


def make_hash(task: Mapping[str, Any], *, identity: str = "name", files: FilePolicy = "path") -> str:
    """The key of a call: 32 hexadecimal digits.

    - `task`: with its futures replaced by their values. Read are func, args, kwargs, ignore_for_cache and, if there is
      one, cache_version.
    - `identity`: what of the function counts, if the record has no cache_version. Keys by name are Parsl's; no key by
      one policy is one by another. Default 'name'.
    - `files`: what of a ``File`` counts that is not an output: its name; name, size and time of change; or what is in
      it. Default 'path'.

    Raises ValueError when an argument is of a type that :func:`id_for_memo` does not know. It says which argument.
    Raises FileNotFoundError when a file cannot be looked at that has to be.

    Examples
    --------
    >>> def app(x):
    ...     return x
    >>> def key(*args, **kwargs):
    ...     return make_hash({"func": app, "args": args, "kwargs": kwargs, "ignore_for_cache": ["seed"]})
    >>> key(1, seed=2) == key(1, seed=3), key(1) == key(2)
    (True, False)
    """
    return _key_by(task, identity, files)[0]


def make_key(task: Mapping[str, Any], *, identity: str = "name", files: FilePolicy = "path") -> tuple[str, list[Part]]:
    """The key of a call, and its parts.

    - `task`, `identity`, `files`: as for :func:`make_hash`.

    Returns
    -------
    key : str
    parts : list of (str, str, str)
        Of each part: what it is, 12 hexadecimal digits that stand for its value, and the value in short.

    Examples
    --------
    >>> def app(x, seed=0):
    ...     return x
    >>> key, parts = make_key({"func": app, "args": (1,), "kwargs": {"seed": 2}, "ignore_for_cache": ()})
    >>> [(label, text) for label, digits, text in parts]
    [('function', 'app'), ('argument 0 (x)', '1'), ('keyword seed', '2')]
    """
    key, parts = make_key_first(task, identity=identity, files=files)
    return key, parts()


def make_key_first(
    task: Mapping[str, Any], *, identity: str = "name", files: FilePolicy = "path"
) -> tuple[str, Callable[[], list[Part]]]:
    """The key of a call, and what makes its parts, which nobody needs when the key is known.

    >>> key, parts = make_key_first({"func": len, "args": ("abc",), "kwargs": {}, "ignore_for_cache": ()})
    >>> parts()[1][::2]
    ('argument 0', "'abc'")
    """
    key, found = _key_by(task, identity, files)
    return key, partial(_parts, task, found)


#: Function, what stands for it, what its identity adds; arguments and what stands for them; keywords with these;
#: what stands for the outputs, and these.
_Found = tuple[Any, bytes, str, Sequence[Any], list[Any], list[tuple[str, Any, Any]], bytes, Any]


def _key_by(task: Mapping[str, Any], identity: str, files: FilePolicy) -> tuple[str, _Found]:
    if files == "path":
        return _key(task, identity)
    with files_by(files):
        return _key(task, identity)


def _key(task: Mapping[str, Any], identity: str) -> tuple[str, _Found]:
    function = task["func"]
    args = task["args"]
    kwargs = task["kwargs"]
    ignored = task["ignore_for_cache"] or ()
    label, value, output = "function", function, False
    try:
        app = app_id(function)
        version = task.get("cache_version")
        extra = "" if version is None and identity == "name" else identity_of(function, identity, version)
        outputs = b""
        if "outputs" in kwargs and "outputs" not in ignored:
            label, value, output = "outputs", kwargs["outputs"], True
            outputs = ident(value, output_ref=True)
            output = False
        keywords: list[Any] = []
        named = []
        for name in sorted(kwargs) if kwargs else ():
            if name != "outputs" and name not in ignored:
                label, value = name, kwargs[name]
                if isinstance(value, File) and name in ("stdout", "stderr") and _registry[File] is file_id:
                    found = file_id(value, output_ref=True)
                else:
                    found = (_registry.get(type(value)) or id_for_memo)(value)
                keywords.append(id_for_memo(name))
                keywords.append(found)
                named.append((name, value, found))
        positional = []
        label = ""
        for value in args:
            stands_for = _registry.get(type(value)) or id_for_memo
            positional.append(pickle.dumps(value, PROTOCOL) if stands_for is plain_id else stands_for(value))
    except (UnknownType, MissingFile) as e:
        where = label if label in ("function", "outputs") else f"keyword {label}"
        if not label:
            where = _label(function, len(positional))
        _refuse(task, where, label, value, output, e)
    if _registry[dict] is dict_id and _registry[tuple] is sequence_id:
        chunks = [
            outputs,
            pickle.dumps(keywords, PROTOCOL) if keywords else _NO_KEYWORDS,
            app,
            pickle.dumps(positional, PROTOCOL),
        ]
    else:  # a user has other ideas about containers
        chunks = [outputs, ident({n: v for n, v, _ in named}), app, ident(args)]
    if extra:
        chunks.insert(0, tagged("identity", extra.encode("utf-8", "surrogatepass")))
    data = b"".join(chunks)
    md5 = hashlib.md5 if len(data) > _LONG else short_md5
    key = md5(data, usedforsecurity=False).hexdigest()
    return key, (function, app, extra, args, positional, named, outputs, kwargs.get("outputs"))


def _parts(task: Mapping[str, Any], found: _Found) -> list[Part]:
    function, app, extra, args, positional, named, outputs, out = found
    text = task.get("func_name") or getattr(function, "__name__", None) or type(function).__name__
    parts = [function_part(app, extra, text)]
    labels = argument_labels(function) if positional else ()
    for i, ident_of in enumerate(positional):
        name = labels[i] if i < len(labels) else f"argument {i}"
        parts.append(
            part(name, ident_of if type(ident_of) is bytes else pickle.dumps(ident_of, PROTOCOL), short_text(args[i]))
        )
    for name, value, ident_of in named:
        digits = ident_of if type(ident_of) is bytes else pickle.dumps(ident_of, PROTOCOL)
        parts.append(part(f"keyword {name}", digits, short_text(value)))
    if outputs:
        parts.append(part("outputs", outputs, short_text(out)))
    return parts


def _label(function: Callable[..., Any], number: int) -> str:
    labels = argument_labels(function)
    return labels[number] if number < len(labels) else f"argument {number}"


def _refuse(
    task: Mapping[str, Any], where: str, keyword: str, value: Any, output: bool, error: UnknownType | MissingFile
) -> NoReturn:
    """Say which argument of which app it is that cannot be part of a key."""
    app = task.get("func_name") or getattr(task["func"], "__name__", None) or type(task["func"]).__name__
    way_out = ""
    if isinstance(error, UnknownType):
        name = keyword or "its name"
        how = "" if keyword else "give it by keyword and "
        way_out = f"; or {how}leave it out of the key with ignore_for_cache=[{name!r}]"
        if where == "function":
            way_out = ""
    where += inside(value, output)
    logger.error("No cache key for a call of app %s: %s, %s", app, where, error)
    text = f"a call of app {app!r} cannot be cached, because of {where}: {error}{way_out}"
    raise type(error)(text) from error
