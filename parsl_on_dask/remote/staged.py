"""An app's function together with the files that are brought before it runs and taken away afterwards."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .errors import Failure
from .wrapping import Wrapper

HOST = socket.gethostname()

Step = Callable[[], None]


class Staged(Wrapper):
    """A function that brings files, runs another function, and takes files away.

    Parameters
    ----------
    func : callable
        The app's.
    before, after : tuple of callables
        Are called without arguments. Those in `after` only if `func` did not raise.

    Examples
    --------
    >>> done = []
    >>> task = Staged(len, (lambda: done.append("in"),), (lambda: done.append("out"),))
    >>> task("abc"), done, task.__name__
    (3, ['in', 'out'], 'len')
    """

    def __init__(self, func: Callable[..., Any], before: tuple[Step, ...] = (), after: tuple[Step, ...] = ()) -> None:
        super().__init__(func)
        self.before = before
        self.after = after

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        for step in self.before:
            step()
        result = super().__call__(*args, **kwargs)
        for step in self.after:
            step()
        return result

    def __repr__(self) -> str:
        return f"<{self.__name__} with {len(self.before)} files staged in and {len(self.after)} staged out>"


def staged_in(func: Callable[..., Any], step: Callable[..., None], *args: Any, **kwargs: Any) -> Staged:
    """`func`, with one more file brought before it runs: by ``step(*args, **kwargs)``."""
    inner, before, after = _parts(func)
    return Staged(inner, (*before, functools.partial(step, *args, **kwargs)), after)


def staged_out(func: Callable[..., Any], step: Callable[..., None], *args: Any, **kwargs: Any) -> Staged:
    """`func`, with one more file taken away after it ran: by ``step(*args, **kwargs)``."""
    inner, before, after = _parts(func)
    return Staged(inner, before, (*after, functools.partial(step, *args, **kwargs)))


def _parts(func: Callable[..., Any]) -> tuple[Callable[..., Any], tuple[Step, ...], tuple[Step, ...]]:
    if type(func) is Staged:
        return func.__wrapped__, func.before, func.after
    return func, (), ()


@contextmanager
def saying(what: str, url: str, path: str) -> Iterator[None]:
    """Have errors say which file could not be moved, where to, on which host, and why.

    Parameters
    ----------
    what : {'in', 'out'}
    url : str
        The file, as the script names it.
    path : str
        Where it is, or was to be, on the side of the app.

    Raises
    ------
    Failure
        ``StagingError``, with the original as ``__cause__``.
    """
    try:
        yield
    except Failure:
        raise
    except Exception as e:
        raise Failure("StagingError", what, url, os.path.abspath(path), HOST, reason(e)) from e


def reason(error: BaseException) -> str:
    """What an exception says, for people.

    >>> reason(OSError(28, "No space left on device", "/tmp/x"))
    "No space left on device: '/tmp/x'"
    >>> reason(KeyError("a"))
    "KeyError: 'a'"
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.strerror}: {error.filename!r}"
    if isinstance(error, OSError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def need_output(path: str) -> None:
    """Raise unless there is a file to be taken away.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
    """
    if os.path.isdir(path):
        raise IsADirectoryError(21, "there is a directory where the app should have written a file", path)
    if not os.path.exists(path):
        raise FileNotFoundError(2, "the app has not written it", path)


def make_room(url: str, path: str) -> None:
    """Make the directory in which an app will write a file.

    Raises
    ------
    Failure
        ``StagingError``.
    """
    folder = os.path.dirname(path)
    if folder:
        with saying("out", url, path):
            os.makedirs(folder, exist_ok=True)
