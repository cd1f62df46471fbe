"""Defaults of Parsl's earlier releases, for scripts that rely on one of them.

Between releases Parsl changed what some arguments are when they are left out. Normally they are what the newest release
says. ``PARSL_ON_DASK_DIALECT=2024.12.30`` in the environment, or ``python -m parsl_on_dask --dialect 2024.12.30``,
makes them what they were in that release. What a script says itself is never changed.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NamedTuple, ParamSpec

from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.version import PARSL_VERSION

__all__ = ["NEWEST", "OLD_DEFAULTS", "VARIABLE", "Was", "default", "old_defaults", "parse", "release"]

P = ParamSpec("P")

#: The environment variable that names the release.
VARIABLE = "PARSL_ON_DASK_DIALECT"
#: The release that this package is compared with, and whose defaults hold when none is named.
NEWEST = PARSL_VERSION
# Before releases were named by their day.
_NUMBERED = ("1.0.0", "1.1.0", "1.2.0")
_FIRST_DATED = "2022.10.10"

_TAKES = f"write {', '.join(_NUMBERED)}, or the day of a release from {_FIRST_DATED} to {NEWEST}, or 'newest'"

Release = tuple[int, int, int]


class Was(NamedTuple):
    """What an argument was when it was left out, in all releases before one."""

    before: str
    default: Any


#: By class and argument; where there are several, the oldest comes first.
OLD_DEFAULTS: Mapping[str, Mapping[str, tuple[Was, ...]]] = {
    "HighThroughputExecutor": {"encrypted": (Was("2026.1.19", False),)},
    "LocalProvider": {"init_blocks": (Was("1.1.0", 4),), "max_blocks": (Was("1.1.0", 10),)},
    "MonitoringHub": {
        "logging_endpoint": (
            Was("2022.10.10", "sqlite:///monitoring.db"),
            Was("2024.2.26", "sqlite:///runinfo/monitoring.db"),
        )
    },
    "ThreadPoolExecutor": {"thread_name_prefix": (Was("2025.11.10", ""),)},
    "WorkQueueExecutor": {"autocategory": (Was("1.1.0", False),)},
}


def parse(text: str, source: str = VARIABLE) -> Release | None:
    """Read the name of a release; None is the newest.

    - `text`: ``"1.0.0"``, ``"1.1.0"``, ``"1.2.0"``, a day such as ``"2024.12.30"``, or ``"newest"``. A day on which
      there was no release means the last one before it.
    - `source`: where the text comes from, for the error. Default ``PARSL_ON_DASK_DIALECT``.

    Raises ConfigurationError when it names no release; the text lists what can be written.

    Examples
    --------
    >>> parse("2024.12.30"), parse("newest")
    ((2024, 12, 30), None)
    """
    word = text.strip()
    if word.lower() in ("", "newest"):
        return None
    found = _numbers(word) if re.fullmatch(r"\d+\.\d+\.\d+", word) else None
    if found is None or not (word in _NUMBERED or _is_day(found)):
        raise ConfigurationError(f"{source} {text!r} is no release of Parsl that is known here: {_TAKES}.")
    return found


def release() -> Release | None:
    """Return the release whose defaults hold, by the environment; None is the newest.

    Raises ConfigurationError when the environment names none.
    """
    text = os.environ.get(VARIABLE)
    return parse(text) if text else None


def default(owner: str, argument: str, today: Any = None) -> Any:
    """Return what an argument is when it is left out.

    Parameters
    ----------
    owner : str
        The class.
    argument : str
    today : optional
        What it is in the newest release.

    Examples
    --------
    >>> default("HighThroughputExecutor", "encrypted", True)
    True
    """
    chosen = release()
    if chosen is not None:
        for was in OLD_DEFAULTS.get(owner, {}).get(argument, ()):
            if chosen < _numbers(was.before):
                return was.default
    return today


def old_defaults(init: Callable[P, None]) -> Callable[P, None]:
    """Have a constructor take what is left out from :data:`OLD_DEFAULTS`, when an earlier release is chosen."""
    owner = init.__qualname__.partition(".")[0]

    @functools.wraps(init)
    def with_defaults(*args: P.args, **kwargs: P.kwargs) -> None:
        if release() is not None:
            try:
                given = inspect.signature(init).bind_partial(*args, **kwargs).arguments
            except TypeError:  # which the constructor itself explains
                given = {}
            for name in OLD_DEFAULTS[owner]:
                if name not in given:
                    value = default(owner, name, _unset)
                    if value is not _unset:
                        kwargs[name] = value
        init(*args, **kwargs)

    return with_defaults


_unset: Any = object()


def _numbers(text: str) -> Release:
    first, second, third = map(int, text.split("."))
    return first, second, third


def _is_day(numbers: Release) -> bool:
    try:
        date(*numbers)
    except ValueError:
        return False
    return _numbers(_FIRST_DATED) <= numbers <= _numbers(NEWEST)
