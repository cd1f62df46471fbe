"""What goes wrong on the way of functions, arguments and results between processes."""

from __future__ import annotations

from parsl_on_dask.errors import ParslError


class SerializationError(ParslError):
    """A call cannot be sent to a worker, or its result cannot be sent back.

    Parameters
    ----------
    fname : str
        The app.
    reason : str, optional
        What cannot be serialised, and why.

    Examples
    --------
    >>> print(SerializationError("plot", "argument 0, a lock, cannot be pickled"))  # doctest: +ELLIPSIS
    Failed to serialize objects for an invocation of function plot: argument 0, a lock, cannot be pickled. ...
    """

    def __init__(self, fname: str, reason: str | None = None) -> None:
        super().__init__(fname, reason)
        self.fname = fname
        self.reason = reason
        self.troubleshooting = (
            "Functions, arguments and results that travel between processes must be serialisable by cloudpickle: "
            "open files, locks, sockets and running threads are not. Open such things inside the app, "
            "or run the app on a ThreadPoolExecutor, which hands them over as they are."
        )

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"Failed to serialize objects for an invocation of function {self.fname}{why}. {self.troubleshooting}"


class DeserializationError(ParslError):
    """Something that a worker sent, or was sent, cannot be read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Failed to deserialize objects. Reason: {self.reason}"


class DeserializerPluginError(ParslError):
    """No deserialiser is known for a message.

    Parameters
    ----------
    header : bytes
        The first bytes of the message, which name its serialiser.
    """

    def __init__(self, header: bytes) -> None:
        super().__init__(header)
        self.header = header

    def __str__(self) -> str:
        return f"Failed to load deserializer plugin for header {self.header!r}"
