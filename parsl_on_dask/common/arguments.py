"""Checks of constructor arguments, with texts that say what to write instead, and arguments that are passed on.

Configurations are written by hand and read at the start of a long run, so a wrong argument is worth
an exact answer at the line that holds it. Wrong types raise
:class:`~parsl_on_dask.errors.TypeCheckError`, wrong values
:class:`~parsl_on_dask.errors.ConfigurationError`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from parsl_on_dask.errors import ConfigurationError, TypeCheckError

_NAMES: dict[type, str] = {
    bool: "a bool (True or False)",
    int: "an int",
    float: "a number",
    str: "a str",
    list: "a list",
    tuple: "a tuple",
    type(None): "None",
}


def short(value: Any, limit: int = 60) -> str:
    """``repr(value)`` cut to a length that fits into an error text; the class, where an object cannot make one."""
    try:
        text = f"<class {value.__qualname__}>" if isinstance(value, type) else repr(value)
    except Exception:  # a Dask cluster's raises now and then, as what it shows changes meanwhile
        return f"<{type(value).__name__}>"
    if "\n" in text:  # a constructor call over many lines
        call = f"{type(value).__name__}("
        text = f"{call}...)" if text.startswith(call) else " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _article(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def wrong_type(owner: str, name: str, value: Any, wanted: str, hint: str = "") -> TypeCheckError:
    """Make the error for an argument of the wrong type."""
    kind = "None" if value is None else _article(type(value).__name__)
    if isinstance(value, type):
        kind = f"the class {value.__name__} itself"
    tail = f" {hint}" if hint else ""
    return TypeCheckError(f"{owner}({name}={short(value)}): {name} must be {wanted}, not {kind}.{tail}")


def wrong_value(owner: str, name: str, value: Any, problem: str) -> ConfigurationError:
    """Make the error for an argument of the right type with an impossible value."""
    return ConfigurationError(f"{owner}({name}={short(value)}): {problem}")


def need(owner: str, name: str, value: Any, *types: type, hint: str = "") -> None:
    """Raise unless ``value`` is of one of ``types``; ``float`` takes ints too, and bools count as ints."""
    accepted = (*types, int) if float in types else types
    if not isinstance(value, accepted):
        raise wrong_type(owner, name, value, " or ".join(_NAMES.get(t, _article(t.__name__)) for t in types), hint)


def name_of(owner: str, name: str, value: Any) -> str | None:
    """Return an account, a queue or the like, which may be a number, as text; None is none."""
    need(owner, name, value, str, int, type(None))
    if isinstance(value, bool):
        raise wrong_type(owner, name, value, "a str or None")
    return str(value) if isinstance(value, int) else value


def need_number(
    owner: str,
    name: str,
    value: Any,
    *,
    kind: type = int,
    at_least: float | None = None,
    above: float | None = None,
    optional: bool = False,
    endless: bool = False,
    example: str = "",
) -> None:
    """Raise unless ``value`` is a number of ``kind`` inside the bounds.

    NaN never is; infinity is where something may be ``endless``.
    """
    hint = f"Write for example {name}={example}." if example else ""
    types = (kind, type(None)) if optional else (kind,)
    need(owner, name, value, *types, hint=hint)
    if value is None:
        return
    if math.isnan(value):
        raise wrong_value(owner, name, value, f"NaN is not a usable number. {hint}".rstrip())
    if value == math.inf and not endless:
        without = "Write None for no limit." if optional else hint
        raise wrong_value(owner, name, value, f"infinity is not a usable number. {without}".rstrip())
    if at_least is not None and value < at_least:
        raise wrong_value(owner, name, value, f"{name} must be {at_least:g} or more. {hint}".rstrip())
    if above is not None and value <= above:
        raise wrong_value(owner, name, value, f"{name} must be more than {above:g}. {hint}".rstrip())


def need_whole_numbers(config: Any) -> None:
    """Raise unless all fields of a dataclass that are to be whole numbers are, and none is negative."""
    for each in fields(config):
        if each.type in ("int", "int | None"):
            optional, value = each.type != "int", getattr(config, each.name)
            example = str(each.default or 1)
            need_number(type(config).__name__, each.name, value, at_least=0, optional=optional, example=example)


def need_choice(owner: str, name: str, value: Any, choices: Sequence[Any]) -> None:
    """Raise unless ``value`` is one of ``choices``, which Parsl writes as a type."""
    if any(value is c or (type(value) is type(c) and value == c) for c in choices):
        return
    listed = ", ".join(repr(c) for c in choices)
    raise TypeCheckError(f"{owner}({name}={short(value)}): {name} must be one of {listed}.")


def need_callable(owner: str, name: str, value: Any, *, signature: str, optional: bool = True) -> None:
    """Raise unless ``value`` can be called (or is None, where that is allowed)."""
    if (value is None and optional) or callable(value):
        return
    raise wrong_type(owner, name, value, f"a callable {signature}" + (" or None" if optional else ""))


def need_methods(owner: str, name: str, value: Any, methods: Sequence[str], what: str) -> None:
    """Raise unless ``value`` has all of ``methods``: how plug-ins of any class are recognised."""
    missing = [m for m in methods if not callable(getattr(value, m, None))]
    if missing or isinstance(value, type):
        hint = f"Give an instance, not the class: {name}={value.__name__}(...)." if isinstance(value, type) else ""
        raise wrong_type(owner, name, value, f"{what} (with {', '.join(methods)})", hint)


def need_label(owner: str, label: Any) -> None:
    """Raise unless ``label`` can name an executor: a str that is not empty and can be part of a path."""
    if not isinstance(label, str):
        from parsl_on_dask.common.mistakes import not_a_label

        raise wrong_type(owner, "label", label, "a str", not_a_label(owner, label))
    if not label or "/" in label or "\0" in label or label in (".", ".."):
        raise wrong_value(owner, "label", label, "a label names a directory of the run: give a word without '/'.")


def passed_on(names: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """The arguments of the calling function by name.

    - `names`: its ``locals()``, taken first of all.
    - `*without`: arguments that go elsewhere.

    Examples
    --------
    >>> class Named(dict):
    ...     def __init__(self, label, size=1, colour=None):
    ...         super().__init__(**passed_on(locals(), "size"))
    >>> Named("a")
    {'label': 'a', 'colour': None}
    """
    return {name: value for name, value in names.items() if name not in ("self", "__class__", *without)}
