"""What can go wrong in an app.

::

    ParslError
    ├── AppException
    │   ├── BashExitFailure      the command's exit code was not 0
    │   ├── AppTimeout           the walltime was over
    │   ├── AppKilled            somebody had the running call ended
    │   ├── BashAppNoReturn      the function of a bash app gave no command
    │   ├── StagingError         a file could not be brought to an app, or taken away from it
    │   └── RemoteException      an exception that cannot be rebuilt in this process
    ├── AppBadFormatting         the function of a bash app could not put its command together
    ├── MissingInputs            a file of ``inputs`` was not there before a command (also a FileNotFoundError)
    ├── MissingOutputs           a file of ``outputs`` was not there afterwards
    ├── BadStdStreamFile         stdout or stderr could not be opened
    │   └── BadStdStreamSpec     ... is neither a path, nor a File, nor a path and a mode (also a TypeCheckError)
    └── NotFutureError           not raised any more; for old ``except`` clauses

Names, constructor arguments and texts are those of Parsl's page on exceptions; ``RemoteException``,
``StagingError``, ``MissingInputs`` and ``AppKilled`` are new.
Everything else that an app's function raises arrives as it is.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from parsl_on_dask.common.parsl_paths import known_at
from parsl_on_dask.errors import ParslError, TypeCheckError
from parsl_on_dask.old_spellings.legacy import MISSING, renamed

logger = logging.getLogger("parsl.app.errors")

P = ParamSpec("P")
R = TypeVar("R")


class AppException(ParslError):
    """Something went wrong while an app ran."""


class AppBadFormatting(ParslError):
    """The function of a bash app could not put its command line together."""


class BashExitFailure(AppException):
    """The command of a bash app ended with an exit code other than 0.

    Parameters
    ----------
    app_name : str
    exitcode : int
        As the shell reports it; negative when a signal of that number ended the command.
    written : mapping, optional
        For ``"stderr"`` and ``"stdout"``, where these went to files: the path, and the last lines of it. Parsl does not
        have this.
    reason : str, optional
        The whole text, in the place of ``app_name``, as releases up to 1.2 had it.

    Examples
    --------
    >>> print(BashExitFailure("sort_file", 2))
    bash_app sort_file failed with unix exit code 2
    >>> print(BashExitFailure("sort_file", 2, {"stderr": ("/data/sort.err", ["sort: cannot read: in.txt"])}))
    bash_app sort_file failed with unix exit code 2
    stderr (/data/sort.err) ends with:
      sort: cannot read: in.txt
    """

    _reason: str | None = None

    def __init__(
        self,
        app_name: str = MISSING,
        exitcode: int = MISSING,
        written: Mapping[str, tuple[str, list[str]]] | None = None,
        *,
        reason: str = MISSING,
    ) -> None:
        if exitcode is MISSING:
            raise TypeError("BashExitFailure(): exitcode is missing.")
        name = renamed("BashExitFailure", "reason", "app_name", reason, app_name)
        if reason is not MISSING:
            self._reason = reason
        super().__init__(name, exitcode)
        self.app_name = name
        self.exitcode = exitcode
        self.written = dict(written or {})

    def __str__(self) -> str:
        if self._reason is not None:
            return self._reason
        text = [f"bash_app {self.app_name} failed with unix exit code {self.exitcode}"]
        seen = set()
        for which, (path, lines) in self.written.items():
            if path not in seen:
                text.append(f"{which} ({path}) ends with:" if lines else f"{which} ({path}) is empty")
                text += [f"  {line}" for line in lines]
            seen.add(path)
        return "\n".join(text)

    @property
    def reason(self) -> str:
        """The text, under the name that it had up to Parsl 1.2."""
        return str(self)


class AppTimeout(AppException):
    """An app ran for longer than its walltime."""


class AppKilled(AppException):
    """A running call was ended by ``future.kill()``. It is not tried again.

    Parameters
    ----------
    name : str
        Of the app.

    Examples
    --------
    >>> print(AppKilled("simulate"))
    App simulate was ended by kill() of its future
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"App {self.name} was ended by kill() of its future"


class BashAppNoReturn(AppException):
    """The function of a bash app gave no command line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StagingError(AppException):
    """A file could not be brought to where an app runs, or taken away from there.

    Parameters
    ----------
    direction : {'in', 'out'}
    url : str
        The file, as the script names it.
    path : str
        Where it was to be, or was, on the side of the app.
    host : str
        On which host that is.
    reason : str

    Examples
    --------
    >>> print(StagingError("in", "http://host/a.txt", "/scratch/a.txt", "node7", "the server answered 404 Not Found"))
    http://host/a.txt cannot be staged in to /scratch/a.txt on node7: the server answered 404 Not Found
    """

    def __init__(self, direction: str, url: str, path: str, host: str, reason: str) -> None:
        super().__init__(direction, url, path, host, reason)
        self.direction = direction
        self.url = url
        self.path = path
        self.host = host
        self.reason = reason

    def __str__(self) -> str:
        way = "in to" if self.direction == "in" else "out from"
        return f"{self.url} cannot be staged {way} {self.path} on {self.host}: {self.reason}"


class MissingInputs(ParslError, FileNotFoundError):
    """Files that a bash app lists in ``inputs`` are not where its command would look for them.

    Parameters
    ----------
    reason : str
    inputs : list of File
        Those that are missing.

    Examples
    --------
    >>> print(MissingInputs("app sort_file has not run its command", ["unsorted.txt"]))
    Missing Inputs: ['unsorted.txt'], Reason: app sort_file has not run its command
    """

    def __init__(self, reason: str, inputs: Sequence[Any]) -> None:
        super().__init__(reason, inputs)
        self.reason = reason
        self.inputs = inputs

    def __str__(self) -> str:
        return f"Missing Inputs: {self.inputs}, Reason: {self.reason}"


class MissingOutputs(ParslError):
    """Files that an app lists in ``outputs`` are not there after it has ended well.

    For a python app this is looked at when it was decorated with ``check_outputs=True``.

    Parameters
    ----------
    reason : str
    outputs : list of File
        Those that are missing.

    Examples
    --------
    >>> print(MissingOutputs("Missing outputs from app sort_file", ["sorted.txt"]))
    Missing Outputs: ['sorted.txt'], Reason: Missing outputs from app sort_file
    """

    def __init__(self, reason: str, outputs: Sequence[Any]) -> None:
        super().__init__(reason, outputs)
        self.reason = reason
        self.outputs = outputs

    def __str__(self) -> str:
        return f"Missing Outputs: {self.outputs}, Reason: {self.reason}"


class BadStdStreamFile(ParslError):
    """A file for stdout or stderr cannot be opened, or does not say which file is meant.

    Parameters
    ----------
    reason : str
        The path, or what is wrong with the argument. What the system said is ``__cause__``.
    exception : Exception, optional
        What the system said, as releases up to 2024.4.15 had it.
    outputs : str, optional
        What ``reason`` was called up to 1.0.
    """

    def __init__(
        self, reason: str = MISSING, exception: BaseException | None = None, *, outputs: str = MISSING
    ) -> None:
        reason = renamed("BadStdStreamFile", "outputs", "reason", outputs, reason)
        super().__init__(reason)
        self.reason = self._reason = reason
        if exception is not None:
            self.__cause__ = exception

    def __str__(self) -> str:
        return f"Bad Stream File: {self.reason}"


class BadStdStreamSpec(BadStdStreamFile, TypeCheckError):
    """What was given as stdout or stderr has not the form of either.

    Parsl raises ``typeguard.TypeCheckError`` for it; see :class:`~parsl_on_dask.errors.TypeCheckError`.

    Parameters
    ----------
    reason : str

    Examples
    --------
    >>> isinstance(BadStdStreamSpec("stdout of app f must be a path, got 3"), TypeError)
    True
    """


class RemoteException(AppException):
    """Stands for an exception that cannot be rebuilt in this process.

    Its class cannot be imported here, or the exception does not survive pickling.

    Parameters
    ----------
    type_name : str
        Module and name of its class.
    message : str
        Its text.
    traceback_text : str
        Its traceback on the worker, as Python prints it.

    Examples
    --------
    >>> error = RemoteException("chem.BondError", "no bond", "Traceback ...")
    >>> error.type_name, error.message
    ('chem.BondError', 'no bond')
    """

    def __init__(self, type_name: str, message: str, traceback_text: str = "") -> None:
        super().__init__(type_name, message, traceback_text)
        self.type_name = type_name
        self.message = message
        self.traceback_text = traceback_text

    def __str__(self) -> str:
        text = f"{self.type_name}: {self.message}\n(an exception of a class that cannot be rebuilt in this process)"
        return f"{text}\nOn the worker:\n{self.traceback_text}" if self.traceback_text else text


class NotFutureError(ParslError):
    """Something that is no future was given where one is needed. Parsl raised it until 2022.12."""


class RemoteExceptionWrapper:
    """An exception as a value, with its traceback, that can be pickled.

    Examples
    --------
    >>> wrapped = wrap_error(int)("x")
    >>> wrapped.e_type.__name__
    'ValueError'
    >>> wrapped.reraise()
    Traceback (most recent call last):
    ...
    ValueError: invalid literal for int() with base 10: 'x'
    """

    def __init__(self, e_type: type, e_value: BaseException, traceback: TracebackType | None) -> None:
        self.e_type = e_type
        self.e_value = e_value
        self.e_traceback = None if traceback is None else _portable(traceback)
        cause = e_value.__cause__
        self.cause = None if cause is None else type(self)(type(cause), cause, cause.__traceback__)

    def get_exception(self) -> BaseException:
        """The exception, with its traceback and causes."""
        error = self.e_value
        if self.cause is not None:
            error.__cause__ = self.cause.get_exception()
        if self.e_traceback is not None:
            error = error.with_traceback(self.e_traceback.as_traceback())
        return error

    def reraise(self) -> None:
        """Raise the exception."""
        # the value itself may be what fails, so its type is on record first
        logger.debug("Reraising an exception of type %s", self.e_type)
        raise self.get_exception()


def _portable(traceback: TracebackType) -> Any:
    from tblib import Traceback  # comes with distributed; imported late, as few programs need it

    return Traceback(traceback)


def wrap_error(func: Callable[P, R]) -> Callable[P, R | RemoteExceptionWrapper]:
    """Make a function that returns what goes wrong instead of raising it.

    Returns
    -------
    callable
        Returns what `func` returns, or a :class:`RemoteExceptionWrapper` of the Exception that it raised.
    """

    @functools.wraps(func)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R | RemoteExceptionWrapper:
        try:
            return func(*args, **kwargs)
        except Exception as e:
            return RemoteExceptionWrapper(type(e), e, e.__traceback__)

    return wrapper


known_at("app.errors", vars())
