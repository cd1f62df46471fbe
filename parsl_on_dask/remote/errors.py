"""How a failure on a worker travels to the submitting process.

A worker may know none of the classes in :mod:`parsl_on_dask.app.errors`. It raises :class:`Failure`
with the name of the class that is meant, and the client raises that class
(:mod:`parsl_on_dask.lanes.failures`). Every other exception is packed with its pickle, its text and its
traceback, so that something true can be raised even where the class cannot be rebuilt.
"""

from __future__ import annotations

import itertools
import pickle
import sys
import traceback
from types import TracebackType
from typing import Any, TypedDict

#: How many links of a chain of causes travel along.
MAX_CHAIN = 20
#: Characters of an exception's text that are repeated where it is only told of: in logs and records.
SHOWN = 65536


def shortened(text: str, most: int = SHOWN) -> str:
    """A text without its end, if it is longer than so many characters.

    Examples
    --------
    >>> shortened("x" * 7, 5), shortened("x" * 5, 5)
    ('xxxxx... (2 more characters)', 'xxxxx')
    """
    return text if len(text) <= most else f"{text[:most]}... ({len(text) - most} more characters)"


def formatted(error: BaseException, trace: TracebackType | None, chain: bool = True) -> str:
    """An exception as Python would print it, each part of that no longer than :data:`SHOWN`."""
    parts = traceback.format_exception(type(error), error, trace, chain=chain)
    return "".join([part if len(part) <= SHOWN else shortened(part) + "\n" for part in parts])


class Failure(Exception):
    """A failure that this package reports itself.

    - `kind`: name of the error class to raise on the client, for example ``"BashExitFailure"``.
    - `*args`: what that class is made with.

    Examples
    --------
    >>> Failure("BashExitFailure", "sort_file", 2)
    Failure('BashExitFailure', 'sort_file', 2)
    """

    def __init__(self, kind: str, *args: Any) -> None:
        super().__init__(kind, *args)
        self.kind = kind


#: A frame of a traceback: file, function, the same with what it is in, module, where the function begins; and the part
#: of the source that ran: first and last line, first and last column (None where that is not known).
PackedFrame = tuple[str, str, str, str, int, int, int, "int | None", "int | None"]


def left_by(error: BaseException, app: str, worker: str, host: str) -> Failure:
    """The failure of an app that was left by something else than an Exception.

    Examples
    --------
    >>> left_by(SystemExit(3), "stop", "w", "node7").args[-1]
    "app 'stop' called sys.exit(3), which ends nothing but this call. Return from the function, or raise an Exception"
    """
    if isinstance(error, SystemExit):
        did = f"called sys.exit({'' if error.code is None else repr(error.code)}), which ends nothing but this call"
        hint = "Return from the function, or raise an Exception"
        return Failure("AppExit", worker, host, f"app {app!r} {did}. {hint}").with_traceback(error.__traceback__)
    did = f"was ended by a {type(error).__name__}, which is no Exception: raise one that is"
    left = Failure("AppExit", worker, host, f"app {app!r} {did}")
    left.__cause__ = error
    return left


class PackedError(TypedDict):
    """An exception on its way, as plain data."""

    type: str
    text: str
    traceback: str
    frames: list[PackedFrame]
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
    text = _text(error)
    cause, context = error.__cause__, error.__context__
    return PackedError(
        type=type(error).__name__ if type(error).__module__ == "builtins" else _full_name(type(error)),
        # whole where nothing else has it
        text=text if pickled is None and parts is None else shortened(text),
        # causes have theirs: with these, a chain's last link would travel as often as the chain has links
        traceback=formatted(error, error.__traceback__, chain=not depth),
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


class _ByItsClass:
    """Pickles an exception as its class says, whatever ``copyreg`` says.

    tblib, which Dask has at work in its workers, rebuilds exceptions from their ``args`` alone. Those whose fields are
    set by ``__init__`` only, as of UnicodeDecodeError, then have no text.
    """

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.error.__reduce_ex__(protocol)


def _pickled_exception(error: BaseException) -> bytes | None:
    """The exception's pickle, or None when it would not come back as itself."""
    # traceback and causes travel beside it
    beside = error.__traceback__, error.__cause__, error.__context__, error.__suppress_context__
    error.__traceback__ = error.__cause__ = error.__context__ = None
    try:
        data = _dumps(_ByItsClass(error))
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


def _frames(error: BaseException) -> list[PackedFrame]:
    frames: list[PackedFrame] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        line = trace.tb_lineno or code.co_firstlineno
        first: int | None = None
        last: int | None = None
        end = line
        if sys.version_info >= (3, 11):
            nowhere = (None, None, None, None)
            place = next(itertools.islice(code.co_positions(), max(0, trace.tb_lasti) // 2, None), nowhere)
            if place[0] == line and place[1] is not None:
                _, end, first, last = place
        name = getattr(code, "co_qualname", code.co_name)
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        frames.append((code.co_filename, code.co_name, name, module, code.co_firstlineno, line, end, first, last))
        trace = trace.tb_next
    return frames
