"""Starts the script of a run without a terminal, waits for its end, and writes it down. It imports little, and no Dask.

It says now and then that the run is there, and does what others ask of it by the run's record: they may be on another
machine.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from parsl_on_dask.common import overrides, run_records
from parsl_on_dask.common.processes_here import boot, process_of, this_process
from parsl_on_dask.common.run_records import RunRecord
from parsl_on_dask.front_door import ends

#: Seconds between two looks at the record.
LOOK = 1.0
#: How often the end of a script is tried to be written down.
TRIES = 60


class Keeper:
    """Keeps one run, in the process that calls :meth:`run`."""

    #: Whether the script is in a session of its own.
    own_session = True

    def __init__(self, record: RunRecord) -> None:
        self.name, self.where = record.name, record.folder
        self.record = record
        self.script: subprocess.Popen[bytes] | None = None
        self.wake, self.waker = os.pipe()
        self._seen = 0
        self._beaten = time.monotonic()
        #: What is done at a time of ``time.monotonic()``.
        self.alarm: tuple[float, Callable[[], None]] | None = None

    def run(self, started: Callable[[], None] = lambda: None) -> int:
        """Start the script, and wait for its end. Returns how it ended, as :class:`subprocess.Popen` has it.

        `started`: called when the script runs, and the record says so.
        """
        self._listen()
        self.start_script()
        started()
        code = self.wait()
        self.write_end(code)
        return code

    def start_script(self) -> None:
        """Start the script, with its output in the log."""
        me = this_process()
        path = run_records.path_of(self.name, self.where)
        self.write(keeper=me, host=run_records.host(), boot=boot(), began=self.record.began or time.time(), request="")
        environment = {**os.environ, overrides.RUN: path, ends.TAG: ends.tag(self.name, me)}
        try:
            with open(self.record.log, "ab", opener=_private) as log:
                self.script = subprocess.Popen(
                    self.record.argv,
                    cwd=self.record.cwd,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=self.own_session,
                )
        except OSError as e:
            self.say(f"the script could not be started: {e}")
            self.write_end(127)
            raise SystemExit(127) from e
        self.write(process=process_of(self.script.pid) or [self.script.pid, 0])

    def wait(self) -> int:
        """Wait for the end of the script; meanwhile do what is asked for."""
        assert self.script is not None
        while True:
            code = self.script.poll()
            if code is not None:
                return code
            if self.alarm is not None and time.monotonic() >= self.alarm[0]:
                (_, act), self.alarm = self.alarm, None
                act()
            self._look()
            rest = LOOK if self.alarm is None else max(0.0, min(LOOK, self.alarm[0] - time.monotonic()))
            self.rest(rest)

    def rest(self, seconds: float) -> None:
        """Wait for a signal, so many seconds at the most."""
        if select.select([self.wake], [], [], seconds)[0]:
            os.read(self.wake, 512)

    def _look(self) -> None:
        if time.monotonic() - self._beaten >= run_records.BEAT:
            self._beaten = time.monotonic()
            run_records.beat(self.name, where=self.where)
        try:
            changed = os.stat(run_records.path_of(self.name, self.where)).st_mtime_ns
        except OSError:
            return
        if changed != self._seen:
            self._seen = changed
            record = run_records.read(self.name, where=self.where)
            if record is not None:
                self.record = record
                if record.request:
                    self.write(request="")
                    self.asked(record.request)

    def asked(self, request: str) -> None:
        """Do what somebody wants: have the script end as by Ctrl-C, or at once and with all that it has started."""
        if request == "now":
            ends.end_all(self.record)
        else:
            self.interrupt()

    def interrupt(self) -> None:
        """Do to the script what Ctrl-C does."""
        if self.script is not None:
            ends.interrupt(process_of(self.script.pid))

    def say(self, text: str) -> None:
        """Write a line into the log of the script."""
        with suppress(OSError), open(self.record.log, "ab", opener=_private) as log:
            log.write(f"parsl_on_dask: {text}\n".encode())

    def write(self, **what: Any) -> None:
        """Change the record, if it is still there."""
        with suppress(run_records.UnknownRun, OSError):
            self.record = run_records.update(self.name, where=self.where, **what)

    def write_end(self, code: int, note: str = "") -> None:
        """Write down how the script ended; a disk that is full may have room in a while."""
        for _ in range(TRIES):
            try:
                run_records.update(self.name, where=self.where, ended=time.time(), returncode=code, note=note)
                return
            except run_records.UnknownRun:
                return
            except OSError:
                time.sleep(LOOK)

    def _listen(self) -> None:
        """Be awake when the script ends, and pass on what a batch system says; a terminal that goes is no matter."""
        for end in (self.wake, self.waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # a shell that starts things in the background has them ignore it: the script is not to
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.interrupt())


def command_of(words: list[str]) -> list[str]:
    """The command that runs words of the command line of this package in this Python, with its options."""
    return [sys.executable, *python_options(), "-u", "-m", "parsl_on_dask", *words]


def keeper_command(path: str, *more: str, module: str = "keeper") -> list[str]:
    """The command that keeps the run of the record at a path."""
    return [sys.executable, *python_options(), "-m", f"parsl_on_dask.front_door.{module}", path, *more]


def python_options(words: list[str] | None = None) -> list[str]:
    """The options that an interpreter was called with; default: this one.

    Examples
    --------
    >>> python_options(["python3", "-X", "dev", "-Wignore", "-m", "parsl_on_dask", "run", "-X"])
    ['-X', 'dev', '-Wignore']
    """
    words = (sys.orig_argv if words is None else words)[1:]
    found: list[str] = []
    while words and words[0].startswith("-") and words[0][:2] not in ("-m", "-c", "-"):
        found.append(words.pop(0))
        if found[-1] in ("-X", "-W", "--check-hash-based-pycs") and words:
            found.append(words.pop(0))
    return found


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def keep(path: str, make: Callable[[RunRecord], Keeper], started: Callable[[], None] = lambda: None) -> int:
    """Keep the run of the record at a path. Returns an exit code."""
    record = run_records.read_at(path)
    if record is None:
        print(f"parsl_on_dask: there is no record {path}", file=sys.stderr)
        return 2
    code = make(record).run(started)
    return code if code >= 0 else 128 - code


def main(words: Sequence[str]) -> int:
    """Keep the run of the record at a path. Standard output is closed when the script has been started."""

    def started() -> None:
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)

    return keep(words[0], Keeper, started)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
