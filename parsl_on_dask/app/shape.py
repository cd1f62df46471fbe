"""What is found out about a function once, when it is decorated, and used in every call.

Six parameter names are special (:data:`SPECIAL`): the kernel looks for them among the keywords of a call.
So their defaults go into the keywords, a value given by position moves there, and one that is
neither given nor has a default becomes one that means "nothing". A bash app has all its defaults in the
keywords. Both are Parsl's rules, and keys of cached results depend on them; what is given by position
fails in Parsl.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any

from parsl_on_dask.app.binding import Binding
from parsl_on_dask.errors import ConfigurationError, TypeCheckError

#: Names that mean something to the kernel, and what stands for "nothing" in each.
SPECIAL: dict[str, Callable[[], Any]] = {
    "stdout": lambda: None,
    "stderr": lambda: None,
    "walltime": lambda: None,
    "parsl_resource_specification": dict,
    "outputs": list,
    "inputs": list,
}

_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class CallShape:
    """How the arguments of one app's calls are laid out.

    - `function`: the user's function.
    - `all_defaults`: whether every default goes into the keywords (bash apps), or only those of the special names.

    - `defaults`: keywords that every call starts with.
    - `first`: so many arguments by position can be handed on as they are.
    - `names`: parameters that take arguments by position.
    - `variable`: whether there is a ``*args``.
    - `absent`: special names without default.
    - `binding`: checks whether a call's arguments fit the function; None leaves that to the function.
    - `takes_self`: whether the function is written as a method.
    """

    __slots__ = ("absent", "binding", "defaults", "first", "name", "names", "takes_self", "variable")

    def __init__(self, name: str, function: Callable[..., Any], all_defaults: bool) -> None:
        self.name = name
        parameters = list(parameters_of(function).values())
        named = {p.name: p for p in parameters if p.kind in _BY_NAME}
        special = {n: named[n] for n in SPECIAL if n in named}
        for p in parameters:
            if p.kind is Parameter.POSITIONAL_ONLY and p.name in SPECIAL:
                raise ConfigurationError(
                    f"app {name!r}: {p.name!r} is handed over by keyword, so it cannot stand before '/': move it behind"
                )
        chosen = named if all_defaults else special
        self.defaults: dict[str, Any] = {n: p.default for n, p in chosen.items() if p.default is not Parameter.empty}
        self.absent = tuple(n for n, p in special.items() if p.default is Parameter.empty)
        self.names = tuple(p.name for p in parameters if p.kind in _BY_POSITION)
        self.variable = any(p.kind is Parameter.VAR_POSITIONAL for p in parameters)
        moved = [i for i, n in enumerate(self.names) if n in self.defaults or n in special]
        self.first = min(moved, default=1 << 30)
        self.binding: Binding | None = Binding(name, function)
        self.takes_self = bool(self.names) and self.names[0] in ("self", "cls")

    def arrange(
        self, args: tuple[Any, ...], given: Mapping[str, Any], defaults: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments as the kernel wants them.

        - `args`, `given`: what the call was made with. Left as they are.
        - `defaults`: keywords that the call starts with.

        Raises TypeError when the arguments do not fit the function, or a special parameter is given by position in
        front of ``*args``.
        """
        kwargs = {**defaults, **given}
        if len(args) > self.first:
            args = self._place(args, given, kwargs)
        for name in self.absent:
            if name not in kwargs:
                kwargs[name] = SPECIAL[name]()
        if self.binding is not None:
            self.binding.check(args, kwargs)
        return args, kwargs

    def _place(self, args: tuple[Any, ...], given: Mapping[str, Any], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        filled = self.names[: len(args)]
        for name in filled:
            if name in given:
                raise TypeError(f"{self.name}() got multiple values for argument {name!r}: by position and by keyword")
            kwargs.pop(name, None)
        start = next((i for i, name in enumerate(filled) if name in SPECIAL), None)
        if start is None:
            return args
        if len(args) > len(self.names):
            if not self.variable:
                return args  # too many, as will be said next
            raise TypeError(
                f"{self.name}(): {filled[start]!r} cannot be given by position in front of *args. "
                f"Declare it behind them, as in def {self.name}(*args, {filled[start]}=...), and give it by keyword"
            )
        kwargs.update(zip(filled[start:], args[start:], strict=True))
        return args[:start]


def parameters_of(function: Callable[..., Any]) -> Mapping[str, Parameter]:
    """Parameters by name; empty for something built in that does not tell."""
    if isinstance(function, functools.partial):
        # update_wrapper() on a partial names the whole function, and would hide that some arguments are bound
        function = functools.partial(function.func, *function.args, **function.keywords)
    try:
        return inspect.signature(function).parameters
    except (ValueError, TypeError):
        return {}


def plain_function(decorator: str, function: Any) -> Callable[..., Any]:
    """Check that something can become an app, and return it as a callable that has a name.

    Raises TypeCheckError for what cannot be called, and for async functions.
    """
    if isinstance(function, staticmethod):
        function = function.__func__
    if isinstance(function, classmethod):
        raise TypeCheckError(f"{decorator} got a classmethod: write @classmethod above @{decorator}, not below")
    if not callable(function):
        raise TypeCheckError(
            f"{decorator} takes a function, got {function!r}. Give options by name, as in "
            f"@{decorator}(executors=['label'], cache=True)"
        )
    if hasattr(type(function), "__dask_graph__"):
        raise TypeCheckError(
            f"{decorator} got {function!r}, which dask.delayed made. Give {decorator} the function itself: a call of "
            "an app is delayed anyway"
        )
    name = name_of(function)
    if _is_async(function):
        raise TypeCheckError(
            f"{decorator}: {name!r} is an async function, and a worker has no event loop for it. Make the app a plain "
            f"function that runs it: def {name}_app(...): return asyncio.run({name}(...))"
        )
    if hasattr(function, "__name__"):
        return function  # type: ignore[no-any-return]
    if isinstance(function, functools.partial):
        named = functools.partial(function.func, *function.args, **function.keywords)
        named.__dict__.update(function.__dict__)
    else:
        named = functools.partial(function)
    named.__name__ = name  # type: ignore[attr-defined]
    return named


def name_of(function: Any) -> str:
    """Name to show for a callable.

    >>> name_of(functools.partial(functools.partial(print, 1), 2))
    'print'
    """
    while True:
        name = getattr(function, "__name__", None)
        if isinstance(name, str):
            return name
        if not isinstance(function, functools.partial):
            return type(function).__name__
        function = function.func


def _is_async(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function) and not isinstance(function, type):
        function = type(function).__call__
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
