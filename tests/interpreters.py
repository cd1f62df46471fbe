"""Interpreters for scripts that tests start: forked from a process that has imported Dask and the package already.

:func:`run` and :class:`Popen` are called as those of :mod:`subprocess`. What begins with ``sys.executable`` and asks
for nothing that only a fresh interpreter can give becomes a fork: it has the folder, environment, arguments, files and
session that it was given, signals at their defaults, and a ``__main__`` of its own. It takes a tenth of the time.

Tests about imports, the start of interpreters, or hash seeds call :mod:`subprocess` itself.
"""

from __future__ import annotations

import array
import atexit
import json
import os
import re
import select
import shlex
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOM = "PARSL_ON_DASK_TEST_ROOM"
"""Variable of the forking process; its forks write their environment where this one is, for others to see."""
OF_THE_START = ("PYTHON", "DASK_", "LC_", "LANG", "HOME", "LD_")
"""Beginnings of the names of variables that are read while Python starts, or Dask is imported."""
TAKEN_ALONG = ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
"""Those of them that a fork honours."""
SUPERVISOR = re.compile(r"export JOBNAME=(\S+)\nexec (.*)\n")
"""What starts the supervisor of a local block whose provider does nothing before it."""

_lock = threading.Lock()
_process: subprocess.Popen[bytes] | None = None
folder = ""
"""Where the forking process listens; a fork of it has this from there."""


def parsed(words: Sequence[str]) -> dict[str, Any] | None:
    """What a command line of Python's asks for, None if a fork cannot do it."""
    unbuffered = False
    for place, word in enumerate(words):
        rest = list(words[place + 1 :])
        if word == "-u":
            unbuffered = True
        elif word in ("-c", "-m") and rest:
            return {"kind": word, "target": rest[0], "args": rest[1:], "unbuffered": unbuffered}
        elif word.startswith("-"):
            return None
        else:
            return {"kind": "script", "target": word, "args": rest, "unbuffered": unbuffered}
    return None


def told_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if k.startswith(OF_THE_START) and k not in TAKEN_ALONG}


def customized(environment: Mapping[str, str]) -> bool:
    """Whether a fresh Python would run a file of the user's first."""
    folders = environment.get("PYTHONPATH", "").split(os.pathsep)
    return any(os.path.exists(f"{folder}/{name}customize.py") for folder in folders for name in ("site", "user"))


at_start = told_at_start(os.environ)


def socket_path() -> str:
    """Where the forking process listens; it is started when this is first asked for."""
    global _process, folder
    with _lock:
        if not folder:
            folder = tempfile.mkdtemp(prefix="forks")
            read, write = os.pipe()
            _process = subprocess.Popen(
                [sys.executable, "-c", f"from tests.forks import main; main({folder!r}, {write})"],
                cwd=Path(__file__).parents[1],
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", ROOM: "." * 100_000},
                stdin=subprocess.PIPE,
                pass_fds=[write],
                start_new_session=True,
            )
            os.close(write)
            with open(read, "rb") as ready:
                ready.read()
            atexit.register(close)
    return os.path.join(folder, "socket")


def pid() -> int:
    """The id of the forking process, 0 if there is none."""
    return _process.pid if _process is not None else 0


def close() -> None:
    """End the forking process; what it has forked goes on."""
    global _process, folder
    with _lock:
        if _process is not None:
            assert _process.stdin is not None
            _process.stdin.close()
            _process.wait()
            _process, folder = None, ""


def fork(order: dict[str, Any], files: Sequence[int]) -> tuple[int, int]:
    """The id of a new process, and a file that tells how it ends."""
    link = socket.socket(socket.AF_UNIX)
    link.connect(socket_path())
    text = json.dumps(order).encode()
    head = struct.pack("!I", len(text))
    link.sendmsg([head], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))])
    link.sendall(text)
    answer = link.recv(4, socket.MSG_WAITALL)
    if len(answer) < 4:
        raise RuntimeError("the process that forks interpreters has ended")
    return struct.unpack("!i", answer)[0], link.detach()


class Popen(subprocess.Popen[Any]):
    """A process as :class:`subprocess.Popen` starts it, forked where that can be."""

    def __init__(self, args: Any, **options: Any) -> None:
        self._ends: int | None = None
        self._order: dict[str, Any] | None = None
        given = options.get("env")
        environment = dict(os.environ if given is None else given)
        words = [os.fspath(word) for word in args] if isinstance(args, (list, tuple)) else []
        if words[:1] == ["/bin/bash"] and len(words) == 2:
            found = SUPERVISOR.fullmatch(Path(words[1]).read_text())
            if found:
                environment["JOBNAME"] = found[1]
                words = shlex.split(found[2])
        if words[:1] == [sys.executable] and told_at_start(environment) == at_start and not customized(environment):
            self._order = parsed(words[1:])
        if self._order is not None:
            self._order["cwd"] = os.path.abspath(options.get("cwd") or os.getcwd())
            self._order["environment"] = environment
            self._order["session"] = bool(options.get("start_new_session"))
        super().__init__(args, **options)

    def _execute_child(self, *args: Any) -> None:
        # subprocess calls this when it has made the pipes, whose numbers stand at the same place in every version
        if self._order is None:
            super()._execute_child(*args)  # type: ignore[misc]
            return
        pipes = args[10:16]
        asked = zip((pipes[0], pipes[3], pipes[5]), range(3), strict=True)
        try:
            kept = self._order["kept"] = sorted(args[4])
            self.pid, self._ends = fork(self._order, [*(own if own != -1 else usual for own, usual in asked), *kept])
            self._child_created = True
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def poll(self) -> int | None:
        return super().poll() if self._order is None else self._heard(0)

    def wait(self, timeout: float | None = None) -> int:
        if self._order is None:
            return super().wait(timeout)
        code = self._heard(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return code

    def _heard(self, seconds: float | None) -> int | None:
        with self._waitpid_lock:  # type: ignore[attr-defined]
            if self._ends is not None:
                poll = select.poll()
                poll.register(self._ends, select.POLLIN)
                if not poll.poll(None if seconds is None else max(0.0, seconds) * 1000):
                    return None
                told = os.read(self._ends, 4)
                os.close(self._ends)
                self._ends = None
                if len(told) < 4:
                    raise RuntimeError("the process that forks interpreters has ended")
                self.returncode = os.waitstatus_to_exitcode(struct.unpack("!i", told)[0])
            return self.returncode


def run(
    args: Any,
    *,
    input: Any = None,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run a command to its end, as :func:`subprocess.run` does."""
    if input is not None:
        options["stdin"] = subprocess.PIPE
    if capture_output:
        options["stdout"] = options["stderr"] = subprocess.PIPE
    with Popen(args, **options) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


def warm_starts() -> None:
    """Have those processes forked, too, that this process starts for local blocks and `linger`, and to check a file."""
    from parsl_on_dask.check import command
    from parsl_on_dask.clusters import supervisor
    from parsl_on_dask.linger import reattach

    stand_in = SimpleNamespace(**{**vars(subprocess), "Popen": Popen})
    for module in (command, supervisor, reattach):
        module.subprocess = stand_in  # type: ignore[attr-defined]
