"""Identifies an app's function: by its name, its text, or a version that its author gives.

By name alone, as Parsl has it, an app whose function was changed goes on giving its old results. By source, the
text of the function counts, and that of the functions, classes and constants which it refers to by name in its
own top-level package or script, and these to others, and so on. What cannot be seen: other packages; what
is imported inside a function, or reached through an attribute of an object; what a name stood for later than at
the first call; C code. A version replaces both.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Callable
from typing import Any

from parsl_on_dask.checkpoint.policy import IDENTITIES, chosen
from parsl_on_dask.checkpoint.sources import Sources
from parsl_on_dask.remote.walltime import timeout

_known: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def identity_of(function: Callable[..., Any], policy: str = "name", version: str | int | None = None) -> str:
    """What is added to a key, beside the name of the app.

    - `function`: what an app handed to the kernel.
    - `policy`: one of 'name', 'source'.
    - `version`: the author's; then the policy does not matter.

    Returns an empty text for the policy "name": keys are then Parsl's. Else it begins with "source:" or "version:".

    Raises ConfigurationError for a policy that there is not.

    Examples
    --------
    >>> def simulate(x):
    ...     return x
    >>> identity_of(simulate), identity_of(simulate, version="2")
    ('', 'version:2')
    >>> identity_of(simulate, "source").partition(":")[0]
    'source'
    """
    if version is not None:
        return f"version:{version}"
    if policy == "name":
        return ""
    chosen(
        policy,
        IDENTITIES,
        f"{policy!r} is not a way to identify an app's function: write 'name' (as Parsl), or 'source' (its text "
        "counts, too), or give the app a version",
    )
    return "source:" + source_digest(function)


def source_digest(function: Callable[..., Any]) -> str:
    """What stands for a function's text: 32 hexadecimal digits. It is found out once."""
    if type(function) is types.FunctionType:
        known = _known.get(function)
        if known is not None:
            return known
    while isinstance(function, timeout):  # made for each call
        function = function.__wrapped__
    if isinstance(function, types.MethodType):
        function = function.__func__
    if not isinstance(function, (types.FunctionType, functools.partial)):
        return Sources(function).digest()
    known = _known.get(function)
    if known is None:
        known = _known[function] = Sources(function).digest()
    return known
