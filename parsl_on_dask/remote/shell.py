"""Runs the command of a bash app, on the worker."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import IO, Any

from .errors import Failure
from .reaper import REAPER
from .walltime import checked_seconds
from .wrapping import Wrapper

#: Seconds that a process group has between SIGTERM and SIGKILL.
GRACE = 1.0
#: How many lines of a command's output its error quotes, and how much of each.
LINES, WIDTH = 10, 200
#: Seconds after which a waiting thread looks whether somebody wants it to stop.
TICK = 0.25


def run_bash(func: Callable[..., str], /, *args: Any, **kwargs: Any) -> int:
    """Call a bash app's function for the command line, and run it with ``/bin/bash``.

    - `func`: the app's function, which returns the command line.
    - `*args`, `**kwargs`: its arguments. Of the keywords `stdout` and `stderr` say where output goes, `walltime` how
      many seconds the command may take, and `outputs` which files must be there afterwards.

    Returns
    -------
    int
        Always 0.

    Raises
    ------
    Failure
        ``BashExitFailure``, ``AppTimeout``, ``MissingOutputs``, ``BadStdStreamFile``, ``BadStdStreamSpec``,
        ``AppBadFormatting``, ``BashAppNoReturn`` or ``AppException``, as Parsl's page on errors says.
    ValueError
        When the function returns something else than a str.

    Examples
    --------
    >>> def nothing(walltime=None):
    ...     return "true"
    >>> run_bash(nothing, walltime=10)
    0
    """
    return _run(func, args, kwargs, kwargs.get("walltime"))


def _run(func: Callable[..., str], args: tuple[Any, ...], kwargs: dict[str, Any], walltime: Any) -> int:
    name = getattr(func, "__name__", "bash_app")
    check_inputs(name, kwargs.get("inputs"))
    command = command_line(name, func, args, kwargs)
    seconds = None if walltime is None else checked_seconds(name, walltime)
    with ExitStack() as files:
        stdout = open_stream(name, "stdout", kwargs.get("stdout"), files)
        stderr = open_stream(name, "stderr", kwargs.get("stderr"), files)
        if stderr is not None:
            write_header(stderr, command, kwargs["stderr"])
        begins = [
            (which, stream, _size(stream)) for which, stream in (("stderr", stderr), ("stdout", stdout)) if stream
        ]
        code = run_command(name, command, stdout, stderr, seconds, walltime)
    if code != 0:
        written = {
            which: (os.path.abspath(stream.name), last_lines(stream.name, begin)) for which, stream, begin in begins
        }
        raise Failure("BashExitFailure", name, code, *([written] if written else []))
    check_outputs(name, kwargs.get("outputs"))
    return code


class WithWalltime(Wrapper):
    """:func:`run_bash` for one app, whose commands may take so many seconds. The app's function does not see that.

    - `function`: a ``partial`` of :func:`run_bash` and the app's function.
    - `seconds`: how long a command may take.
    """

    def __init__(self, function: partial[int], seconds: float) -> None:
        super().__init__(function)
        self.function = function.args[0]
        self.seconds = seconds

    def __call__(self, /, *args: Any, **kwargs: Any) -> int:
        return _run(self.function, args, kwargs, self.seconds)


def is_bash(func: Any) -> bool:
    """Whether it is what a bash app runs, possibly with files that are brought before.

    >>> from functools import partial
    >>> is_bash(partial(run_bash, len)), is_bash(len)
    (True, False)
    """
    while (inner := getattr(func, "__wrapped__", None)) is not None:
        func = inner
    return getattr(func, "func", None) is run_bash


class Checked(Wrapper):
    """A function after which the files of its keyword ``outputs`` have to be there.

    Raises
    ------
    Failure
        On a call, ``MissingOutputs``.

    Examples
    --------
    >>> def copy(outputs=()):
    ...     return 7
    >>> Checked(copy)(outputs=["/nothing/of/that/name"])
    Traceback (most recent call last):
    ...
    parsl_on_dask.remote.errors.Failure: ('MissingOutputs', 'Missing outputs from app copy', ['/nothing/of/that/name'])
    """

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        result = super().__call__(*args, **kwargs)
        check_outputs(self.__name__, kwargs.get("outputs"))
        return result


def check_inputs(name: str, inputs: Any) -> None:
    """Raise ``MissingInputs`` unless the files among an app's inputs are there."""
    missing = {}
    for one in inputs if isinstance(inputs, (list, tuple)) else ():
        if hasattr(type(one), "cleancopy"):
            try:
                path = os.fsdecode(one.filepath)
            except ValueError:  # one that is not staged: the app does with it what it likes
                continue
            if not os.path.exists(path):
                missing[os.path.abspath(path)] = one
    if missing:
        places = ", ".join(map(repr, missing))
        raise Failure(
            "MissingInputs",
            f"app {name} has not run its command, since there is no {places} on host {socket.gethostname()}",
            list(missing.values()),
        )


def check_outputs(name: str, outputs: Any) -> None:
    """Raise ``MissingOutputs`` unless an app's outputs are there."""
    missing = [output for output in outputs or () if not os.path.exists(output_path(output))]
    if missing:
        raise Failure("MissingOutputs", f"Missing outputs from app {name}", missing)


def command_line(name: str, func: Callable[..., str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """What the app's function returns, checked."""
    try:
        command = func(*args, **kwargs)
    except AttributeError as e:
        text = f"Bash app '{name}' did not return a value, or returned None - with this exception: {e}"
        if isinstance(e.obj, (str, os.PathLike)) and e.name in ("filepath", "filename", "path", "url"):
            path = os.fspath(e.obj)
            text += f". It is a plain path, {path!r}: use it as it is, or give the app File({path!r})"
        raise Failure("BashAppNoReturn", text) from e
    except IndexError as e:
        raise Failure("AppBadFormatting", f"App formatting failed for app '{name}' with IndexError: {e}") from e
    if not isinstance(command, str):
        raise ValueError(
            f"Expected a str for bash_app commandline, got {type(command)}: app '{name}' must return the command to run"
        )
    return command


def open_stream(name: str, which: str, spec: Any, files: ExitStack) -> IO[Any] | None:
    """Open the file for stdout or stderr."""
    if spec is None:
        return None
    path, mode = stream_target(name, which, spec)
    try:
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if "b" in mode:
            return files.enter_context(open(path, mode))
        return files.enter_context(open(path, mode, encoding="utf-8", errors="surrogateescape"))
    except Exception as e:
        raise Failure("BadStdStreamFile", path) from e


def _size(stream: IO[Any]) -> int:
    try:
        return os.fstat(stream.fileno()).st_size
    except OSError:
        return 0


def last_lines(path: str, begin: int = 0) -> list[str]:
    """The last lines of a text file, at most :data:`LINES` of at most :data:`WIDTH` characters.

    - `begin`: what stands before this byte does not count.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(begin, size - LINES * WIDTH))
            text = file.read().decode("utf-8", "replace")
    except OSError:  # it is a device, or was taken away meanwhile
        return []
    lines = [line.rstrip() for line in text.splitlines()[-LINES:]]
    return [line if len(line) <= WIDTH else f"{line[:WIDTH]} …" for line in lines]


def stream_target(name: str, which: str, spec: Any) -> tuple[str, str]:
    """Path and mode of a stdout or stderr argument.

    >>> stream_target("sort", "stdout", "a.txt")
    ('a.txt', 'a+')
    >>> stream_target("sort", "stdout", ("a.txt", "w"))
    ('a.txt', 'w')
    """
    if hasattr(type(spec), "filepath"):
        try:
            return os.fsdecode(spec.filepath), "w"
        except Exception as e:
            raise Failure("BadStdStreamFile", f"{which} of app {name}: {e}") from e
    target, mode = spec, "a+"
    if isinstance(spec, tuple) and len(spec) == 2:
        target, mode = spec
    if isinstance(target, (str, os.PathLike)) and isinstance(mode, str):
        try:
            return os.fsdecode(target), mode
        except Exception as e:
            raise Failure("BadStdStreamFile", f"{which} of app {name}: {e}") from e
    raise Failure(
        "BadStdStreamSpec",
        f"{which} of app {name} must be a path, a File, or a tuple of two, (path, mode), got {spec!r}",
    )


def write_header(stream: IO[Any], command: str, spec: Any) -> None:
    """Note the command at the top of stderr, as Parsl does."""
    header = f"--> executable follows <--\n{command}\n--> end executable <--\n"
    try:
        if isinstance(stream.mode, str) and "b" in stream.mode:
            stream.write(header.encode("utf-8", "surrogateescape"))
        else:
            stream.write(header)
        stream.flush()
    except Exception as e:
        raise Failure("BadStdStreamFile", f"stderr {spec!r}: the command could not be written to it") from e


def output_path(output: Any) -> str:
    """Where one of the outputs should be."""
    if isinstance(output, str):
        return output
    return os.fsdecode(output.filepath)


def run_command(
    name: str, command: str, stdout: IO[Any] | None, stderr: IO[Any] | None, seconds: float | None, walltime: Any
) -> int:
    """Run a command in a process group of its own, and return its exit code (negative: ended by that signal)."""
    REAPER.enter()
    try:
        process = start(name, command, stdout, stderr)
        try:
            REAPER.watch(process.pid)
            in_time = wait(process, seconds)
            if not in_time:
                end_group(process)
        except BaseException:
            end_group(process)
            raise
        finally:
            REAPER.forget(process.pid)
    finally:
        REAPER.leave()
    if not in_time:
        raise Failure("AppTimeout", name, walltime)
    return process.wait()


def start(name: str, command: str, stdout: IO[Any] | None, stderr: IO[Any] | None) -> subprocess.Popen[bytes]:
    """Start a command."""
    try:
        return subprocess.Popen(
            ["/bin/bash", "-c", command], stdout=stdout, stderr=stderr, close_fds=False, start_new_session=True
        )
    except Exception as e:
        raise Failure("AppException", f"App {name} could not start its command: {e}") from e


def wait(process: subprocess.Popen[Any], seconds: float | None) -> bool:
    """Wait until a process ends; False when it has not after so many seconds.

    The wait is in short pieces, since an exception meant for this thread is only raised between two of them.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    with ExitStack() as cleanup:
        poller: select.poll | None = None
        with suppress(AttributeError, OSError):  # not on this system: look from time to time
            fd = os.pidfd_open(process.pid)
            cleanup.callback(os.close, fd)
            poller = select.poll()
            poller.register(fd, select.POLLIN)
        while True:
            left = TICK if deadline is None else max(0.0, min(TICK, deadline - time.monotonic()))
            if poller is not None:
                if poller.poll(left * 1000):
                    return True
            else:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(left)
                    return True
            if deadline is not None and time.monotonic() >= deadline:
                return False


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a process and everything in its group: SIGTERM, a short time to tidy up, SIGKILL."""
    if signal_group(process.pid, signal.SIGTERM):
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline:
            process.poll()  # a process that nobody waited for still counts as a member
            if not signal_group(process.pid, 0):
                break
            time.sleep(0.005)
        else:
            signal_group(process.pid, signal.SIGKILL)
    process.wait()


def signal_group(group: int, number: int) -> bool:
    """Signal a process group; False when there is none, or none that may be signalled."""
    try:
        os.killpg(group, number)
    except OSError:
        return False
    return True
