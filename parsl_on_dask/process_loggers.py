"""Logging around the top functions of threads and processes, whose exceptions nobody would see otherwise."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])


@overload
def wrap_with_logs(fn: F) -> F: ...
@overload
def wrap_with_logs(fn: None = None, target: str = ...) -> Callable[[F], F]: ...
def wrap_with_logs(fn: Any = None, target: str = "parsl.process_loggers") -> Any:
    """Decorate a function so that the log tells how it ended: normally (debug), or by an exception (error).

    Parameters
    ----------
    fn : callable, optional
        Left out when the decorator is used with arguments.
    target : str
        Name of the logger.

    Examples
    --------
    >>> @wrap_with_logs(target="parsl.example")
    ... def main():
    ...     return 5
    >>> main()
    5
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def logged(*args: Any, **kwargs: Any) -> Any:
            log = logging.getLogger(target)
            where = f"{function.__name__} on thread {threading.current_thread().name}"
            try:
                result = function(*args, **kwargs)
            except Exception:
                log.exception("Exceptional ending for %s", where)
                raise
            log.debug("Normal ending for %s", where)
            return result

        return logged  # type: ignore[return-value]

    return decorate if fn is None else decorate(fn)
