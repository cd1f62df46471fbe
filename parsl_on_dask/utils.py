"""Helpers that scripts and custom executors import. Where names and signatures come from: Parsl's ``parsl.utils``."""

from __future__ import annotations

import inspect
import logging
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from parsl_on_dask import version
from parsl_on_dask.common.constructors import SaysWhatItTakes

logger = logging.getLogger("parsl.utils")

StdSpec = str | os.PathLike[str] | tuple[str | os.PathLike[str], str]


def get_version() -> str:
    """Return the release of Parsl whose API this is; that of this package is ``version.PACKAGE_VERSION``.

    Examples
    --------
    >>> get_version()
    '2026.10.26'
    """
    return str(version.VERSION)


def get_all_checkpoints(rundir: str | os.PathLike[str] = "runinfo") -> Sequence[str]:
    """Return the checkpoint directories of all runs, oldest first, for ``checkpoint_files``.

    Of results with the same key the last one listed counts, so the order matters: by number, 999 before 1000, and
    after those by name what is no number.

    Parameters
    ----------
    rundir : path
        The directory of all runs, ``Config.run_dir``. Default ``"runinfo"``; it need not exist.

    Examples
    --------
    >>> get_all_checkpoints("/no/such/directory")
    []
    """
    if not os.path.isdir(rundir):
        return []
    found = (
        os.path.abspath(os.path.join(rundir, run, "checkpoint")) for run in sorted(os.listdir(rundir), key=_by_number)
    )
    return [path for path in found if os.path.isdir(path)]


def _by_number(name: str) -> tuple[bool, int, str]:
    numbered = name.isascii() and name.isdigit()
    return not numbered, int(name) if numbered else 0, name


def get_last_checkpoint(rundir: str | os.PathLike[str] = "runinfo") -> Sequence[str]:
    """Return the checkpoint directory of the newest run that has one: a list of one element or none.

    Parameters
    ----------
    rundir : path
        The directory of all runs, ``Config.run_dir``. Default ``"runinfo"``; it need not exist.
        Only numbered directories count, the highest number is the newest.

    Examples
    --------
    >>> get_last_checkpoint("/no/such/directory")
    []
    """
    if not os.path.isdir(rundir):
        return []
    for run in sorted(
        (name for name in os.listdir(rundir) if name.isascii() and name.isdigit()), key=int, reverse=True
    ):
        path = os.path.abspath(os.path.join(rundir, run, "checkpoint"))
        if os.path.isdir(path):
            return [path]
    return []


def get_std_fname_mode(fdname: str, stdfspec: StdSpec) -> tuple[str, str]:
    """Return path and open mode of a ``stdout=`` or ``stderr=`` given to a bash app.

    Parameters
    ----------
    fdname : str
        ``"stdout"`` or ``"stderr"``, for the error text.
    stdfspec : path or (path, mode)
        A bare path is appended to.

    Raises
    ------
    BadStdStreamFile
        When it is neither.

    Examples
    --------
    >>> get_std_fname_mode("stdout", "out.txt")
    ('out.txt', 'a+')
    >>> get_std_fname_mode("stdout", ("out.txt", "w"))
    ('out.txt', 'w')
    """
    from parsl_on_dask.common.app_errors import BadStdStreamFile

    path: Any = stdfspec
    mode: Any = "a+"
    if isinstance(stdfspec, tuple):
        if len(stdfspec) != 2:
            raise BadStdStreamFile(f"{fdname}={stdfspec!r}: a tuple must be (path, mode), this one has {len(stdfspec)}")
        path, mode = stdfspec
    try:
        return os.fsdecode(path), str(mode)
    except TypeError:
        raise BadStdStreamFile(
            f"{fdname}={stdfspec!r}: write a path, a (path, mode) tuple or parsl.AUTO_LOGNAME"
        ) from None


@contextmanager
def wait_for_file(path: str | os.PathLike[str], seconds: float = 10) -> Iterator[None]:
    """Enter the block once ``path`` exists, or after ``seconds`` without it."""
    end = time.monotonic() + seconds
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(min(0.05, seconds / 10))
    yield


@contextmanager
def time_limited_open(path: str | os.PathLike[str], mode: str, seconds: float = 1) -> Iterator[IO[Any]]:
    """Open a file that may take up to ``seconds`` to appear; closed at the end of the block."""
    with wait_for_file(path, seconds), open(path, mode) as file:
        yield file


def wtime_to_minutes(time_string: str) -> int:
    """Return the whole minutes of a walltime written ``HH:MM:SS``; seconds are dropped.

    Raises
    ------
    ValueError
        When the text has another form.

    Examples
    --------
    >>> wtime_to_minutes("01:30:59")
    90
    """
    try:
        hours, minutes, _seconds = (int(part) for part in time_string.split(":"))
    except ValueError:
        raise ValueError(f"walltime {time_string!r}: write it as HH:MM:SS, for example '01:30:00'") from None
    total = hours * 60 + minutes
    if total < 1:
        logger.warning("Walltime %s is less than a minute and becomes %d minutes", time_string, total)
    return total


class RepresentationMixin(SaysWhatItTakes):
    """Gives a class a ``repr`` that shows the constructor call, with every argument.

    The arguments are read from attributes of the same names; one that is missing shows as ``<unrecorded>``.
    A call longer than ``__max_width__`` is written over several lines.

    Examples
    --------
    >>> class Site(RepresentationMixin):
    ...     def __init__(self, name, nodes=1):
    ...         self.name = name
    ...         self.nodes = nodes
    >>> Site("theta")
    Site('theta', nodes=1)
    """

    __max_width__ = 80

    # True turns an argument without an attribute into an AttributeError; Parsl's test suite sets it.
    _validate_repr = False

    def __repr__(self) -> str:
        given: list[str] = []
        named: dict[str, str] = {}
        for parameter in list(inspect.signature(type(self).__init__).parameters.values())[1:]:
            name = parameter.name
            if parameter.kind is parameter.VAR_KEYWORD:
                named.update((key, repr(value)) for key, value in getattr(self, name, {}).items())
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if name in self._legacy_arguments and self.__dict__.get(name) is None:
                continue
            if self._validate_repr and not hasattr(self, name):
                raise AttributeError(
                    f"{type(self).__name__}.__init__ takes {name} but does not keep it as an attribute"
                )
            value = self._shown(name, getattr(self, name, "<unrecorded>"))
            if parameter.kind is not parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
                given.append(repr(value))
            else:
                named[name] = repr(value)
        parts = given + [f"{name}={text}" for name, text in sorted(named.items())]
        line = f"{type(self).__name__}({', '.join(parts)})"
        if len(line) <= self.__max_width__:
            return line
        body = "".join("\n    " + part.replace("\n", "\n    ") + "," for part in parts)
        return f"{type(self).__name__}({body}\n)"

    def _shown(self, name: str, value: Any) -> Any:
        """What to write for an argument whose attribute has this value."""
        return value


class AtomicIDCounter:
    """Hands out 0, 1, 2, … to any number of threads.

    Examples
    --------
    >>> ids = AtomicIDCounter()
    >>> ids.get_id(), ids.get_id()
    (0, 1)
    """

    def __init__(self) -> None:
        self.count = 0
        self.lock = threading.Lock()

    def get_id(self) -> int:
        """Return the next number."""
        with self.lock:
            number = self.count
            self.count += 1
            return number


def setproctitle(title: str) -> None:
    """Name this process in listings such as ``ps``, when the ``setproctitle`` module is installed."""
    try:
        import setproctitle as module  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        logger.debug("Process %s is not renamed: setproctitle is not installed", title)
    else:
        module.setproctitle(title)


class Timer:
    """Calls back at once and then every ``interval`` seconds, in a daemon thread, until :meth:`close`.

    Parameters
    ----------
    callback : callable
        What it raises is logged, and the calls go on.
    *args
        Arguments of the callback.
    interval : float
        Seconds from the end of one call to the beginning of the next. Default 5.
    name : str, optional
        First part of the thread's name.
    """

    def __init__(self, callback: Callable[..., Any], *args: Any, interval: float = 5, name: str | None = None) -> None:
        self.interval = max(0, interval)
        self.cb_args = args
        self.callback = callback
        self._stop = threading.Event()
        own = f"Timer-Thread-{id(self)}"
        self._thread = threading.Thread(target=self._run, name=f"{name}-{own}" if name else own, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.make_callback()
        while not self._stop.wait(self.interval):
            self.make_callback()

    def make_callback(self) -> None:
        """Call back once, now."""
        try:
            self.callback(*self.cb_args)
        except Exception:
            logger.exception("The callback of timer %s failed; the timer goes on", self._thread.name)

    def close(self, timeout: float | None = None) -> None:
        """End the calls and wait up to ``timeout`` seconds (default: without limit) for one that is running."""
        self._stop.set()
        self._thread.join(timeout)


class AutoCancelTimer(threading.Timer):
    """A ``threading.Timer`` for a ``with`` block: it fires unless the block ends before."""

    def __enter__(self) -> AutoCancelTimer:
        self.start()
        return self

    def __exit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:  # named as in Parsl
        self.cancel()


def sanitize_dns_label_rfc1123(raw_string: str) -> str:
    """Return the nearest DNS label: lower-case letters, digits and single hyphens, at most 63 of them.

    Raises
    ------
    ValueError
        When nothing is left.

    Examples
    --------
    >>> sanitize_dns_label_rfc1123("My_Block #1")
    'my-block-1'
    """
    label = re.sub("[^a-z0-9]+", "-", raw_string.lower())[:63].strip("-")
    if not label:
        raise ValueError(f"Sanitized DNS label is empty for input '{raw_string}'")
    return label


def sanitize_dns_subdomain_rfc1123(raw_string: str) -> str:
    """Return the nearest DNS subdomain: DNS labels with dots between them, at most 253 characters.

    Raises
    ------
    ValueError
        When nothing is left.

    Examples
    --------
    >>> sanitize_dns_subdomain_rfc1123("Site_A..Block 1")
    'site-a.block-1'
    """
    labels = [sanitize_dns_label_rfc1123(label) for label in raw_string.split(".") if label]
    name = ".".join(labels)[:253].strip(".-")
    if not name:
        raise ValueError(f"Sanitized DNS subdomain is empty for input '{raw_string}'")
    return name


def execute_wait(cmd: str, walltime: float | None = None) -> tuple[int, str, str]:
    """Run a shell command and return its exit code, stdout and stderr.

    Parameters
    ----------
    cmd : str
        Given to ``/bin/sh``.
    walltime : float, optional
        Seconds after which the command and all that it started are killed. Default: no limit.

    Raises
    ------
    subprocess.TimeoutExpired
        When the command took longer than ``walltime``.

    Examples
    --------
    >>> execute_wait("echo 3; exit 4")
    (4, '3\\n', '')
    """
    process = subprocess.Popen(
        cmd, shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, errors="replace"
    )
    try:
        stdout, stderr = process.communicate(timeout=walltime)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return process.returncode, stdout, stderr
