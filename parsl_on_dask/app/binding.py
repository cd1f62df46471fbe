"""Checks, where an app is called, that the arguments fit its function; a worker would find out late and elsewhere.

What can be known is found out once per function. A call then costs a few comparisons.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter
from types import FunctionType, MethodType
from typing import Any

from parsl_on_dask.common.misspelt import meant


class Binding:
    """What one function takes.

    - `name`: of the app, for errors.
    - `function`: its signature counts when it is written in Python, or a ``functools.partial`` of such a function. That
      of something built in, of a class, or of another object with ``__call__`` may not be the truth, so that these take
      anything here. A decorator's ``__wrapped__`` is not followed: its wrapper may add arguments.

    Examples
    --------
    >>> def scale(x, factor=2): ...
    >>> Binding("scale", scale).check((1,), {"factor": 3})
    >>> Binding("scale", scale).check((1,), {"faktor": 3})
    Traceback (most recent call last):
    ...
    TypeError: scale() got an unexpected keyword argument 'faktor'. Write factor=. It is called scale(x, factor=2)
    """

    __slots__ = ("by_keyword", "most", "name", "named", "needed", "needed_by_keyword", "signature")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.signature = signature = _signature(function)
        parameters = [] if signature is None else list(signature.parameters.values())
        kinds = {p.kind for p in parameters}
        ordered = [p for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
        #: Most arguments by position.
        self.most = 1 << 30 if signature is None or Parameter.VAR_POSITIONAL in kinds else len(ordered)
        #: Parameters by position; None for those that cannot be named.
        self.named = tuple(p.name if p.kind is p.POSITIONAL_OR_KEYWORD else None for p in ordered)
        #: So many of these have no default.
        self.needed = sum(p.default is p.empty for p in ordered)
        only = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        self.needed_by_keyword = tuple(p.name for p in only if p.default is p.empty)
        #: Names that are taken, None for all.
        self.by_keyword: frozenset[str] | None = None
        if signature is not None and Parameter.VAR_KEYWORD not in kinds:
            self.by_keyword = frozenset([*(n for n in self.named if n is not None), *(p.name for p in only)])

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise a TypeError unless a call with these arguments can begin."""
        count = len(args)
        if count > self.most:
            self.refuse(args, kwargs)
        if kwargs:
            if self.by_keyword is not None and not self.by_keyword.issuperset(kwargs):
                self.refuse(args, kwargs)
            for name in self.named[:count]:
                if name in kwargs:
                    self.refuse(args, kwargs)
        if count < self.needed:
            for name in self.named[count : self.needed]:
                if name not in kwargs:
                    self.refuse(args, kwargs)
        for name in self.needed_by_keyword:
            if name not in kwargs:
                self.refuse(args, kwargs)

    def refuse(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise what Python would raise inside of the call, with what to write instead."""
        raise TypeError(f"{self.name}() {self._why(len(args), kwargs)}. It is called {self._shown()}")

    def _why(self, count: int, kwargs: Mapping[str, Any]) -> str:
        """What does not fit, in Python's words."""
        assert self.signature is not None
        taken = self.by_keyword
        unknown = None if taken is None else next((n for n in kwargs if n not in taken), None)
        if unknown in self.signature.parameters:
            return f"got some positional-only arguments passed as keyword arguments: {unknown!r}"
        if unknown is not None:
            similar = meant(unknown, sorted(taken or ()))
            return f"got an unexpected keyword argument {unknown!r}" + (f". Write {similar[0]}=" if similar else "")
        twice = next((n for n in self.named[:count] if n in kwargs), None)
        if twice is not None:
            return f"got multiple values for argument {twice!r}"
        if count > self.most:
            least = "" if self.needed == self.most else f"from {self.needed} to "
            also = sum(name not in self.named for name in kwargs)
            more = f" positional argument{'' if count == 1 else 's'} (and {also} keyword-only)" if also else ""
            given = f"{count}{more} {'was' if count == 1 else 'were'} given"
            return f"takes {least}{self.most} positional argument{'' if self.most == 1 else 's'} but {given}"
        ordered = list(zip(self._names(), self.named, strict=False))[count : self.needed]
        missing = [name for name, named in ordered if named is None or named not in kwargs]
        kind = "positional"
        if not missing:
            missing = [n for n in self.needed_by_keyword if n not in kwargs]
            kind = "keyword-only"
        listed = " and ".join(filter(None, [", ".join(map(repr, missing[:-1])), repr(missing[-1])]))
        return f"missing {len(missing)} required {kind} argument{'' if len(missing) == 1 else 's'}: {listed}"

    def _names(self) -> list[str]:
        assert self.signature is not None
        return list(self.signature.parameters)

    def _shown(self) -> str:
        assert self.signature is not None
        bare = [p.replace(annotation=Parameter.empty) for p in self.signature.parameters.values()]
        try:
            text = str(inspect.Signature(bare))
        except Exception:  # of a default that has no repr
            text = ""
        return self.name + (text if 0 < len(text) <= 200 else f"({', '.join(self._names())})")


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    inner: Any = function
    while True:
        if "__signature__" in getattr(inner, "__dict__", ()):  # somebody says something else than is true
            return None
        if isinstance(inner, functools.partial):
            inner = inner.func
        elif isinstance(inner, MethodType):
            inner = inner.__func__
        else:
            break
    if not isinstance(inner, FunctionType):
        return None
    if isinstance(function, functools.partial):
        # update_wrapper() on a partial names the whole function, and would hide that some arguments are bound
        function = functools.partial(function.func, *function.args, **function.keywords)
    try:
        return inspect.signature(function, follow_wrapped=False)
    except (ValueError, TypeError):
        return None
