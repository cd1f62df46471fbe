"""Run one program so that nothing of it is left afterwards, whatever it started.

The program gets a session of its own. What it starts may leave that session or outlive its parent (Parsl's
interchange does), so on Linux this process also adopts orphans: every process that comes from the program is then
found below this one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37

GRACE = 3.0
"""Seconds that processes have to end by themselves after the program that started them."""


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code (None when it ran out of time) and how many processes it left behind."""

    code: int | None
    leftovers: int
    seconds: float


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Let orphaned descendants become children of this process (Linux; elsewhere nothing changes)."""
    if not sys.platform.startswith("linux"):
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    before = ctypes.c_int(0)
    libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)


def run_to_the_end(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: Path, errors: Path, limit: float
) -> Ended:
    """Run `command` for at most `limit` seconds, then end every process that came from it.

    The output goes to files: a pipe would stay open, and be waited for, as long as some left-over process holds it.
    """
    others = {child.pid for child in psutil.Process().children(recursive=True)}
    begin = time.monotonic()
    with adopting_orphans(), output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            command, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        code: int | None = None
        seconds = 0.0
        leftovers = 0
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(limit)
            seconds = time.monotonic() - begin
        finally:
            leftovers = _end_all(process, others)
    return Ended(code, leftovers, seconds)


def _end_all(process: subprocess.Popen[bytes], others: set[int]) -> int:
    """Kill what came from `process` until nothing of it is found; say how many outlived it by more than `GRACE`."""
    found: set[int] = set()
    begin = time.monotonic()
    if process.poll() is None:
        process.kill()
    while True:
        alive = [p for p in _descendants(process.pid, others) if p.pid != process.pid]
        if time.monotonic() > begin + GRACE:
            for p in alive:
                with contextlib.suppress(psutil.Error):
                    if p.status() != psutil.STATUS_ZOMBIE:
                        found.add(p.pid)
                        p.send_signal(signal.SIGKILL)
        # Adopted orphans are ours to reap; asking for them by id takes no other child's exit status.
        for p in alive:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(p.pid, os.WNOHANG)
        if (not alive and process.poll() is not None) or time.monotonic() > begin + GRACE + 10:
            return len(found)
        time.sleep(0.02)


def _descendants(session: int, others: set[int]) -> list[psutil.Process]:
    mine = {p.pid: p for p in psutil.Process().children(recursive=True) if p.pid not in others}
    for p in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if p.pid not in mine and os.getsid(p.pid) == session:
                mine[p.pid] = p
    return list(mine.values())
