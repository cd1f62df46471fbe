"""Classes that Parsl has and that cannot be used here: constructing one says what to use instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from parsl_on_dask.errors import ConfigurationError

_DOC = """Refused: none can be constructed. The parameters are Parsl's.

Raises
------
ConfigurationError
    Always; the text names what to use instead.
"""


def with_parameters(function: Callable[..., Any], parameters: str) -> Any:
    """Give a function parameters to show, after the first one, which is ``self``.

    - `function`: takes any arguments.
    - `parameters`: as in a ``def``, with defaults that are literals.

    Examples
    --------
    >>> def method(*args, **kwargs): ...
    >>> inspect.signature(with_parameters(method, "path, mode=448"))
    <Signature (self, path, mode=448)>
    """
    shown: Any = function
    shown.__signature__ = inspect.signature(eval(f"lambda self, {parameters}: None"))
    return shown


def refused_class(
    module: str,
    name: str,
    instead: str | Callable[..., str],
    parameters: str = "",
    bases: tuple[type, ...] = (),
    methods: Mapping[str, str] = {},
    **others: Any,
) -> Any:
    """Make such a class.

    - `module`: where it is, as ``__name__`` gives it.
    - `instead`: what to use instead, or what makes a text of it from the arguments.
    - `parameters`: those of Parsl's constructor.
    - `methods`: names and parameters of methods, which nothing reaches.
    - `**others`: further members.
    """

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        raise ConfigurationError(f"{name}: {instead if isinstance(instead, str) else instead(*args, **kwargs)}")

    members = {method: with_parameters(lambda *args, **kwargs: None, text) for method, text in methods.items()}
    made: Any = type(bases[0] if bases else object)(name, bases, {**members, **others, "__module__": module})
    made.__init__ = with_parameters(__init__, parameters)
    made.__doc__ = _DOC
    made.instead = instead
    made.__abstractmethods__ = frozenset()  # none can be constructed anyway
    return made
