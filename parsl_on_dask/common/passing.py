"""Passes the arguments of a constructor on to that of a base class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def passed_on(names: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """The arguments of the calling function by name.

    Parameters
    ----------
    names : mapping
        Its ``locals()``, taken first of all.
    *without : str
        Arguments that go elsewhere.

    Examples
    --------
    >>> class Named(dict):
    ...     def __init__(self, label, size=1, colour=None):
    ...         super().__init__(**passed_on(locals(), "size"))
    >>> Named("a")
    {'label': 'a', 'colour': None}
    """
    return {name: value for name, value in names.items() if name not in ("self", "__class__", *without)}
