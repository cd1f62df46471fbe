"""Ends the commands of a process that has ended, also of one that was killed.

A command runs in a session of its own, so nothing ends it when its worker dies. A small bash process,
the reaper, is told of the process groups that run and holds the reading end of a pipe whose writing end
dies with the worker; then it ends those groups. It goes away when no command has run for a while.
"""

from __future__ import annotations

import subprocess
import threading
import weakref
from functools import partial

from .lasting import in_children

#: Seconds without a command after which the reaper ends.
LINGER = 1.0

_SCRIPT = """
trap '' INT TERM HUP
while read -r p; do
  case $p in
    -*) unset "g[${p#-}]" ;;
    *) g[$p]=1 ;;
  esac
done
for p in "${!g[@]}"; do kill -TERM -- "-$p"; done
for i in 1 2 3 4 5 6 7 8 9 10; do
  for p in "${!g[@]}"; do kill -0 -- "-$p" || unset "g[$p]"; done
  [ ${#g[@]} -eq 0 ] && exit
  sleep 0.1
done
for p in "${!g[@]}"; do kill -KILL -- "-$p"; done
"""


def _forked(reference: weakref.ref[Reaper]) -> None:
    reaper = reference()
    if reaper is not None:
        reaper.let_go()


class Reaper:
    """Guard of this process's commands."""

    def __init__(self) -> None:
        self._begin()
        self._hook = partial(_forked, weakref.ref(self))
        in_children(self._hook)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._commands = 0
        self._groups: set[int] = set()
        self._timer: threading.Timer | None = None

    def let_go(self) -> None:
        """Leave the commands to the process that this one was forked from."""
        # a copy of the writing end would keep the parent's death from being noticed
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.returncode = 0  # not this process's child
        self._begin()

    @property
    def pid(self) -> int:
        """The process that watches over commands, 0 if there is none."""
        process = self._process
        return 0 if process is None else process.pid

    def enter(self) -> None:
        """A command is about to start. Called first, so that its group can be told of as soon as there is one."""
        with self._lock:
            self._commands += 1
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._process is None or self._process.poll() is not None:
                self._close()
                self._start()

    def watch(self, group: int) -> None:
        """End this process group when the process dies."""
        with self._lock:
            self._groups.add(group)
            self._tell(str(group))

    def forget(self, group: int) -> None:
        """This process group has ended, or may carry on."""
        with self._lock:
            self._groups.discard(group)
            self._tell(f"-{group}")

    def leave(self) -> None:
        """The command is over, or did not start."""
        with self._lock:
            self._commands -= 1
            if not self._commands and self._process is not None:
                self._timer = threading.Timer(LINGER, self.close)
                self._timer.daemon = True
                self._timer.name = "parsl-reaper"
                self._timer.start()

    def close(self) -> None:
        """Let the reaper go, unless commands run."""
        with self._lock:
            if not self._commands:
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
                self._close()

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                ["/bin/bash", "-c", _SCRIPT, "parsl-reaper"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
                bufsize=0,
            )
        except OSError:  # no process left to be had: commands run unguarded rather than not at all
            return
        for group in self._groups:
            self._tell(str(group))

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.write(line.encode() + b"\n")
            except OSError:  # it was killed; the next command starts another
                pass

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


REAPER = Reaper()
