"""Old spellings: how they are accepted, and how a script is told about today's.

A name or an argument that Parsl once had goes on working. The first use of each is reported as a
:class:`ParslDeprecationWarning` at the user's own line; an argument that has no meaning on Dask is
reported once at debug level instead.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any

logger = logging.getLogger("parsl.legacy")

#: Parsl had one of its own until 1.1.
NullHandler = logging.NullHandler

_PACKAGE = __name__.partition(".")[0]
_seen: set[str] = set()
#: Texts of all old spellings that were reported.
reported: set[str] = set()
#: Arguments without a meaning here that were given, each with its place.
without_effect: list[str] = []
_lock = threading.Lock()


class ParslDeprecationWarning(DeprecationWarning):
    """A script uses a spelling that Parsl has removed or renamed; the text names today's."""


def first_time(key: str) -> bool:
    """Whether something that is reported once has not been reported yet."""
    with _lock:
        if key in _seen:
            return False
        _seen.add(key)
        return True


def forget_warnings() -> None:
    """Let every old spelling be reported again, once (for tests and long-lived programs)."""
    with _lock:
        _seen.clear()
        reported.clear()
        without_effect.clear()


def warn_once(key: str, message: str, stacklevel: int = 3, category: type[Warning] = ParslDeprecationWarning) -> None:
    """Report an old spelling, the first time that it is met in this process.

    The warning points at the nearest calling line outside this package, however deep the call came in.

    - `key`: names the spelling; a key that was reported before is silent.
    - `message`: what was written and what to write today.
    - `stacklevel`: how many frames to go up at the least, counted as :func:`warnings.warn` does. Default 3.
    - `category`: default :class:`ParslDeprecationWarning`.
    """
    if not first_time(key):
        return
    if issubclass(category, DeprecationWarning):
        reported.add(message)
    level = stacklevel
    try:
        frame = sys._getframe(stacklevel - 1)
        while frame.f_back is not None and _inside(frame.f_globals.get("__name__", "")):
            frame = frame.f_back
            level += 1
    except ValueError:
        pass  # called from nearer the top of the stack than stacklevel says
    warnings.warn(message, category, stacklevel=level)


def _inside(module: str) -> bool:
    # frames of the import system stand between a script and a module that warns while it is imported
    return module == _PACKAGE or module.startswith((_PACKAGE + ".", "importlib."))


def note_once(key: str, message: str) -> None:
    """Report at debug level, once, an argument which is accepted but has no meaning on Dask."""
    if first_time(key):
        without_effect.append(f"{place()}{message}")
        logger.debug(message)


def note_unused(
    owner: str, described: Any, defaults: Mapping[str, Any], why: str = "has no meaning on Dask and is not used"
) -> None:
    """Report those arguments of an object that have no effect and are not the default.

    - `owner`: the class, for the texts.
    - `described`: keeps its arguments as attributes.
    - `defaults`: the arguments without effect.
    - `why`: what is said of them.
    """
    for name, default in defaults.items():
        if getattr(described, name) != default:
            note_once(f"{owner}.{name}", f"{owner}({name}=) {why}")


def place() -> str:
    """File and line of the nearest caller outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _inside(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}: "


#: Stands for an argument that was not given, where None can be one.
MISSING: Any = object()


def renamed(owner: str, old: str, new: str, before: Any, today: Any) -> Any:
    """Return the value of an argument that may be given by the name it had, or by today's.

    Parameters
    ----------
    owner : str
        The class, or the method, for the texts.
    old, new : str
        The two names.
    before, today : object
        What was given by them; :data:`MISSING` when nothing was.

    Raises TypeError when neither or both are given.

    Examples
    --------
    >>> renamed("SubmitException", "task_name", "job_name", MISSING, "block-0")
    'block-0'
    """
    if before is MISSING:
        if today is MISSING:
            raise TypeError(f"{owner}(): {new} is missing.")
        return today
    if today is not MISSING:
        raise TypeError(f"{owner}(): {old} is the old name of {new}. Write only {new}.")
    warn_once(f"{owner}.{old}", f"{owner}({old}=) is now {new}=.", stacklevel=4)
    return before


def moved(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a module ``__getattr__`` for names that have moved elsewhere.

    - `module`: the module that had the names, as ``__name__`` gives it.
    - `names`: old name to new place, ``"package.module:name"`` relative to this package.

    Returns
    -------
    callable
        To be assigned to ``__getattr__`` in that module.
    """

    def __getattr__(name: str) -> Any:
        try:
            place, _, attribute = names[name].partition(":")
        except KeyError:
            raise AttributeError(f"module {module!r} has no attribute {name!r}") from None
        old = f"parsl{module.removeprefix(_PACKAGE)}.{name}"
        warn_once(f"moved:{old}", f"{old} has moved: write parsl.{place}.{attribute}.", stacklevel=3)
        return getattr(importlib.import_module(f"{_PACKAGE}.{place}"), attribute)

    return __getattr__


def refused(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a module ``__getattr__`` for names that have no meaning here.

    Parameters
    ----------
    module : str
        The module that had the names, as ``__name__`` gives it.
    names : mapping of str to str
        Name to why it is not there and what to use instead.

    Returns
    -------
    callable
        To be assigned to ``__getattr__`` in that module. For these names it raises a
        :class:`~parsl_on_dask.errors.ConfigurationError`, which goes through an import statement.
    """

    def __getattr__(name: str) -> Any:
        from parsl_on_dask.errors import ConfigurationError

        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        raise ConfigurationError(f"parsl{module.removeprefix(_PACKAGE)}.{name}: {names[name]}")

    return __getattr__
