"""Marks defaults, which can then be told from values that a user wrote: a site's settings may replace them."""

from __future__ import annotations

from typing import Any


class DefaultStr(str):
    """A text that nobody wrote."""

    __slots__ = ()


class DefaultInt(int):
    """A number that nobody wrote."""

    __slots__ = ()


def given(value: Any) -> bool:
    """Whether a user wrote this argument.

    Examples
    --------
    >>> given("00:10:00"), given(DefaultStr("00:10:00")), given(None)
    (True, False, False)
    """
    return value is not None and not isinstance(value, DefaultStr | DefaultInt)
