"""How a failure on a worker travels to the submitting process.

A worker may know none of the classes in :mod:`parsl_on_dask.app.errors`. It raises :class:`Failure`
with the name of the class that is meant, and the client raises that class
(:mod:`parsl_on_dask.lanes.failures`). Every other exception is packed with its pickle, its text and its
traceback, so that something true can be raised even where the class cannot be rebuilt.
"""

from __future__ import annotations

import pickle
import traceback
from typing import Any, TypedDict

#: How many links of a chain of causes travel along.
MAX_CHAIN = 20


class Failure(Exception):
    """A failure that this package reports itself.

    Parameters
    ----------
    kind : str
        Name of the error class to raise on the client, for example ``"BashExitFailure"``.
    *args
        What that class is made with.

    Examples
    --------
    >>> Failure("BashExitFailure", "sort_file", 2)
    Failure('BashExitFailure', 'sort_file', 2)
    """

    def __init__(self, kind: str, *args: Any) -> None:
        super().__init__(kind, *args)
        self.kind = kind


class PackedError(TypedDict):
    """An exception on its way, as plain data."""

    type: str
    text: str
    traceback: str
    frames: Any
    failure: tuple[str, bytes] | None
    pickle: bytes | None
    parts: bytes | None
    cause: PackedError | None
    context: PackedError | None
    suppress: bool


def pack_error(error: BaseException, depth: int = 0) -> PackedError:
    """Turn an exception into plain data that any process can read."""
    failure = None
    pickled = parts = None
    if isinstance(error, Failure):
        try:
            failure = (error.kind, _dumps(error.args[1:]))
        except Exception:
            failure = (error.kind, _dumps(tuple(str(a) for a in error.args[1:])))
    else:
        pickled = _pickled_exception(error)
        if pickled is None:
            parts = _parts(error)
    more = depth < MAX_CHAIN
    cause, context = error.__cause__, error.__context__
    return PackedError(
        type=type(error).__name__ if type(error).__module__ == "builtins" else _full_name(type(error)),
        text=_text(error),
        traceback="".join(traceback.format_exception(type(error), error, error.__traceback__)),
        frames=_frames(error),
        failure=failure,
        pickle=pickled,
        parts=parts,
        cause=pack_error(cause, depth + 1) if cause is not None and more else None,
        context=pack_error(context, depth + 1) if context is not None and cause is None and more else None,
        suppress=error.__suppress_context__,
    )


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as e:
        return f"<its text could not be made: {e!r}>"


def _dumps(value: Any) -> bytes:
    from .packing import dumps

    return dumps(value)


def _pickled_exception(error: BaseException) -> bytes | None:
    """The exception's pickle, or None when it would not come back as itself."""
    # traceback and causes travel beside it; tblib, if a program uses it so, would put them into the pickle as well
    beside = error.__traceback__, error.__cause__, error.__context__, error.__suppress_context__
    error.__traceback__ = error.__cause__ = error.__context__ = None
    try:
        data = _dumps(error)
        back = pickle.loads(data)
    except BaseException:  # also what looks like the end of this process: it comes from the class's own code
        return None
    finally:
        error.__traceback__, error.__cause__, error.__context__, error.__suppress_context__ = beside
    return data if type(back).__name__ == type(error).__name__ else None


def _parts(error: BaseException) -> bytes | None:
    """Class, arguments and attributes of an exception that does not unpickle: its ``__init__`` may take others."""
    attributes = {}
    for name, value in vars(error).items():
        try:
            attributes[name] = _dumps(value)
        except Exception:  # a lock, a connection: not for another process
            continue
    try:
        return _dumps((type(error), error.args, attributes))
    except Exception:
        return None


def _frames(error: BaseException) -> Any:
    if error.__traceback__ is None:
        return None
    try:
        from tblib import Traceback

        return Traceback(error.__traceback__).to_dict()
    except Exception:  # without tblib the formatted text has to do
        return None
