"""What a worker reported becomes the exception that a script sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from parsl_on_dask.remote.errors import Failure, PackedError
from parsl_on_dask.remote.packing import loads

if TYPE_CHECKING:
    from parsl_on_dask.lanes.values import RemoteValue


def as_exception(kind: str, args: tuple[Any, ...]) -> BaseException:
    """The exception of this package that a :class:`~parsl_on_dask.remote.errors.Failure` stands for."""
    from parsl_on_dask.app import errors as app
    from parsl_on_dask.executors.high_throughput.errors import WorkerLost
    from parsl_on_dask.serialize.errors import DeserializationError, SerializationError

    if kind == "WorkerLost":
        return WorkerLost(*args)
    if kind == "SerializationError":
        return SerializationError(*args)
    if kind == "DeserializationError":
        return DeserializationError(*args)
    if kind == "AppTimeout":
        return app.AppTimeout(app_timeout_text(*args))
    made: BaseException = getattr(app, kind)(*args)
    if kind == "BashExitFailure" and hasattr(made, "add_note"):
        made.add_note(_of_exit_code(args[1]))
    return made


def _of_exit_code(code: Any) -> str:
    """What a bash app's exit code tells, and where to look."""
    told = {126: "126 is a command that may not be run. ", 127: "127 is a command that was not found. "}.get(code, "")
    if isinstance(code, int) and code < 0:
        told = f"Signal {-code} ended it. "
    return told + "What the command wrote is in the files of stdout= and stderr=, if the app was given these."


def app_timeout_text(name: str = "?", seconds: Any = "?") -> str:
    """Text of an AppTimeout."""
    return f"App {name} exceeded walltime: {seconds} seconds"


def from_failure(error: BaseException) -> BaseException:
    """The exception to show for one raised in this process; a Failure becomes the class that it names."""
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
    frames = packed["frames"]
    if frames is not None:
        try:
            from tblib import Traceback

            error = error.with_traceback(Traceback.from_dict(frames).as_traceback())
        except Exception:
            _note(error, packed["traceback"])
    else:
        _note(error, packed["traceback"])
    if packed["cause"] is not None:
        error.__cause__ = unpack_error(packed["cause"])
    elif packed["context"] is not None:
        error.__context__ = unpack_error(packed["context"])
    error.__suppress_context__ = packed["suppress"]
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
    from parsl_on_dask.app.errors import RemoteException

    return RemoteException(packed["type"], packed["text"], packed["traceback"])


def _note(error: BaseException, text: str) -> None:
    if text and hasattr(error, "add_note"):
        error.add_note("\nOn the worker:\n" + text)


def lost_value(value: RemoteValue, e: BaseException) -> BaseException:
    """The error for a value that was on a cluster and cannot be had any more."""
    from parsl_on_dask.errors import ExecutorError

    text = (
        f"the result of {value.size} bytes was left on its worker, and that worker or its cluster is gone "
        f"({type(e).__name__}: {e}). Call result() before cleanup() or clear(), or raise inline_limit= of the executor"
    )
    return ExecutorError(value.label, text)
