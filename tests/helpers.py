"""What several test modules share: waiting without fixed sleeps, and looking for processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests import interpreters

SESSION_TAG = "PARSL_ON_DASK_TEST_SESSION"
SCRIPT_TAG = "PARSL_ON_DASK_TEST_SCRIPT"
WAIT = 60.0
"""Seconds that any single result may take before the test fails instead of hanging."""


def eventually(check: Callable[[], Any], what: str, seconds: float = WAIT) -> Any:
    """The first true value of `check()`, or an AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        value = check()
        if value:
            return value
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(max(0.02, 3 * (now - began)))  # what is dear to look at does not take the time of what is waited for


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def tagged(name: str, value: str) -> list[psutil.Process]:
    """Every running process, whoever its parent is, that inherited `name=value`; not this one."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def describe(processes: list[psutil.Process]) -> str:
    lines = []
    for process in processes:
        try:
            lines.append(f"{process.pid}: {' '.join(process.cmdline())[:200]}")
        except psutil.NoSuchProcess:
            continue
    return "\n".join(lines)


def listening_ports() -> set[int]:
    """TCP ports on which this process listens."""
    connections = psutil.Process().net_connections(kind="tcp")
    return {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}


def shown(value: Any) -> str:
    """The value as text that is the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(sorted(value) if isinstance(value, (set, frozenset)) else value))


def text_of(path: str | os.PathLike[str]) -> str:
    """What the file holds, "" if there is none."""
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        return ""


def address_in(scheduler_file: Path) -> str:
    """The address that a scheduler has written to its file, "" before it has."""
    try:
        return str(json.loads(text_of(scheduler_file))["address"])
    except ValueError:  # there is none, or half of one
        return ""


# ---------------------------------------------------------------- functions that run inside apps


def append(path: str, text: str = "x") -> None:
    """Add `text` to a file in one write, so that runs can be counted from several processes."""
    with open(path, "a") as f:
        f.write(text)


def hold(started: str, gate: str, value: Any = None) -> Any:
    """Say that it runs by making `started`, then wait for `gate`: a call that ends when the test says so."""
    open(started, "w").close()
    deadline = time.monotonic() + 120
    while not os.path.exists(gate):
        if time.monotonic() > deadline:
            raise RuntimeError("nobody opened the gate")
        time.sleep(0.01)
    return value


# ---------------------------------------------------------------- whole scripts


@dataclass
class Script:
    """A script that runs in a process of its own, in a session of its own."""

    process: subprocess.Popen[bytes]
    tag: str
    directory: Path
    began: float = field(default_factory=time.monotonic)

    @property
    def stdout(self) -> str:
        return text_of(self.directory / "stdout.txt")

    @property
    def stderr(self) -> str:
        return text_of(self.directory / "stderr.txt")

    def said(self, line: str, seconds: float = WAIT) -> None:
        """Wait until the script has printed `line`."""

        def check() -> bool:
            if line in self.stdout.splitlines():
                return True
            assert self.process.poll() is None, f"ended before it said {line!r}:\n{self.stdout}\n{self.stderr}"
            return False

        eventually(check, f"the script says {line!r}; stderr so far:\n{self.stderr}", seconds)

    def signal(self, number: int, group: bool = False) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            (os.killpg if group else os.kill)(self.process.pid, number)

    def ends(self, seconds: float = WAIT) -> int:
        """The exit code; the script has this many seconds from now."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            dump = subprocess.run(
                ["ps", "-o", "pid,ppid,stat,wchan:20,args", "-p", str(self.process.pid)], capture_output=True, text=True
            ).stdout
            raise AssertionError(
                f"still running after {seconds} s\n{dump}\nstdout:\n{self.stdout}\nstderr:\n{self.stderr}"
            ) from None

    def leftovers(self) -> list[psutil.Process]:
        """Every process that the script started: by what it inherited, since a changed title hides its environment."""
        found = {p.pid: p for p in tagged(SCRIPT_TAG, self.tag)}
        for process in psutil.process_iter():
            try:
                inherited = os.getsid(process.pid) == self.process.pid or process.cwd() == str(self.directory)
                if inherited and process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
                    found[process.pid] = process
            except (psutil.Error, ProcessLookupError, PermissionError):
                continue
        return list(found.values())

    def leaves_nothing(self, seconds: float = WAIT) -> None:
        try:
            eventually(lambda: not self.leftovers(), "no process of the script remains", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{describe(self.leftovers())}\nstderr:\n{self.stderr}") from None

    def kill(self) -> None:
        for process in [*self.leftovers()]:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        self.process.kill()
        self.process.wait(WAIT)


def start_script(
    directory: Path,
    text: str,
    *args: str,
    python_args: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
    fresh: bool = False,
) -> Script:
    """Write `text` to `directory`/script.py and start it there; in a `fresh` interpreter its processes are, too."""
    (directory / "script.py").write_text(textwrap.dedent(text))
    tag = uuid.uuid4().hex
    with open(directory / "stdout.txt", "wb") as out, open(directory / "stderr.txt", "wb") as err:
        process = (subprocess.Popen if fresh else interpreters.Popen)(
            [sys.executable, "-u", *python_args, "script.py", *args],
            cwd=directory,
            env={**os.environ, **(env or {}), SCRIPT_TAG: tag},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    return Script(process, tag, directory)
