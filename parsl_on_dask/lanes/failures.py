"""What a worker reported becomes the exception that a script sees."""

from __future__ import annotations

import socket
import threading
from typing import Any, TypeVar

from parsl_on_dask.common.mistakes import daemonic_worker
from parsl_on_dask.lanes.traceback_frames import traceback_of
from parsl_on_dask.remote.errors import Failure, PackedError, left_by
from parsl_on_dask.remote.packing import loads
from parsl_on_dask.remote.walltime import over_text

#: How ``multiprocessing`` begins its text in a process that may have no children.
DAEMONIC = "daemonic processes are not allowed to have children"
HOST = socket.gethostname()


def as_exception(kind: str, args: tuple[Any, ...]) -> BaseException:
    """The exception of this package that a :class:`~parsl_on_dask.remote.errors.Failure` stands for."""
    from parsl_on_dask.common import app_errors
    from parsl_on_dask.executors.high_throughput import errors as worker_errors
    from parsl_on_dask.serialize import errors as serialize_errors

    if kind == "AppTimeout":
        args = (over_text(*args),)
    home = next(each for each in (app_errors, worker_errors, serialize_errors) if hasattr(each, kind))
    made: BaseException = getattr(home, kind)(*args)
    if kind == "BashExitFailure" and hasattr(made, "add_note"):
        note = _of_exit_code(args[1], quoted=bool(args[2:]))
        if note:
            made.add_note(note)
    return made


E = TypeVar("E", bound=BaseException)


def each_its_own(error: E) -> E:
    """A copy of an exception of this package's that is the end of several calls.

    One object for all of them would get a longer traceback each time that one of their futures raises it.
    """
    cls = type(error)
    copy = cls.__new__(cls, *error.args)
    copy.args = error.args
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error.__cause__
    copy.__suppress_context__ = error.__suppress_context__
    return copy


def _of_exit_code(code: Any, quoted: bool = False) -> str:
    """What a bash app's exit code tells; and where to look, unless what the command wrote is quoted already."""
    told = {126: "126 is a command that may not be run. ", 127: "127 is a command that was not found. "}.get(code, "")
    if isinstance(code, int) and code < 0:
        told = f"Signal {-code} ended it. "
    if quoted:
        return told.rstrip()
    return told + "What the command wrote is in the files of stdout= and stderr=, if the app was given these."


def from_failure(error: BaseException, app: str) -> BaseException:
    """The exception to show for one that an app raised in this process; a Failure becomes the class that it names."""
    if not isinstance(error, Exception):
        error = left_by(error, app, threading.current_thread().name, HOST)
    if not isinstance(error, Failure):
        return error
    shown = as_exception(error.kind, error.args[1:])
    shown.__cause__ = error.__cause__
    return shown.with_traceback(error.__traceback__)


def unpack_error(packed: PackedError) -> BaseException:
    """Rebuild what :func:`parsl_on_dask.remote.errors.pack_error` packed.

    Type, text, causes and traceback frames are those of the worker. An exception whose class cannot be
    imported here, or that does not survive pickling, becomes a
    :class:`~parsl_on_dask.app.errors.RemoteException` that shows all of that as text.
    """
    error = _rebuilt(packed)
    error.__traceback__ = traceback_of(packed["frames"])
    if packed["cause"] is not None:
        error.__cause__ = unpack_error(packed["cause"])
    elif packed["context"] is not None:
        error.__context__ = unpack_error(packed["context"])
    error.__suppress_context__ = packed["suppress"]
    if isinstance(error, AssertionError) and str(error).startswith(DAEMONIC):
        _explain(error, daemonic_worker())
    return error


def _rebuilt(packed: PackedError) -> BaseException:
    if packed["failure"] is not None:
        kind, args = packed["failure"]
        return as_exception(kind, loads(args))
    if packed["pickle"] is not None:
        try:
            error = loads(packed["pickle"])
            if isinstance(error, BaseException):
                return error
        except BaseException:  # its class is not importable here: fall through to the text
            pass
    if packed["parts"] is not None:
        try:
            cls, args, attributes = loads(packed["parts"])
            error = cls.__new__(cls, *args)
            error.args = args
            error.__dict__.update({name: loads(value) for name, value in attributes.items()})
            str(error)
            if isinstance(error, BaseException):
                return error
        except BaseException:
            pass
    from parsl_on_dask.common.app_errors import RemoteException

    return RemoteException(packed["type"], packed["text"], packed["traceback"])


def _explain(error: BaseException, text: str) -> None:
    """Say more about an exception: below its text, or in it where Python has no notes."""
    if hasattr(error, "add_note"):
        error.add_note(text)
    else:
        error.args = (f"{error}. {text}",)
