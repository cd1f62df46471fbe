"""``logs``, ``attach`` and ``wait``: they follow a run, and leave it alone."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import IO, Any

from parsl_on_dask.common import run_records
from parsl_on_dask.common.run_records import RunRecord, RunState
from parsl_on_dask.front_door import jobs_of_runs

#: Seconds between two looks at a log or a record, and between two questions after a job that waits.
LOOK, ASK = 0.2, 30.0


class Followed:
    """A run that is looked at again and again."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        self._asked = time.monotonic() - ASK
        self._state: RunState | None = None

    def state(self) -> RunState:
        """How the run is now."""
        if self._state is not None and self._state.over:
            return self._state
        self.record = run_records.again(self.record)
        self._state = run_records.state_of(self.record)
        if self._state.word == "pending" and time.monotonic() - self._asked >= ASK:
            self._asked = time.monotonic()
            [self.record] = jobs_of_runs.refreshed([self.record])
            self._state = run_records.state_of(self.record)
        return self._state


class Log:
    """Reads what is new in a file, from its beginning or from its end as it is now."""

    def __init__(self, path: str, at_end: bool = False) -> None:
        self.path = path
        self.place = os.path.getsize(path) if at_end and os.path.exists(path) else 0

    def new(self) -> bytes:
        try:
            with open(self.path, "rb") as file:
                if os.fstat(file.fileno()).st_size < self.place:  # somebody has emptied it
                    self.place = 0
                file.seek(self.place)
                text = file.read(1 << 20)
        except FileNotFoundError:
            return b""
        self.place += len(text)
        return text


def logs(record: RunRecord, follow: bool, out: IO[bytes] | None = None) -> int:
    """Print the log of a run; with `follow` until the run ends."""
    out = out or sys.stdout.buffer
    followed, log = Followed(record), Log(record.log)
    if not record.log or not os.path.exists(record.log):
        print(f"{record.name} has no log{f' at {record.log}' if record.log else ''}", file=sys.stderr)
        return 1
    while True:
        over = not follow or followed.state().over
        while text := log.new():
            out.write(text)
            out.flush()
        if over:
            return 0
        time.sleep(LOOK)


def wait(records: Sequence[RunRecord]) -> int:
    """Wait for the scripts of some runs, and say how each ended. Returns the first exit code that is not 0."""
    codes = []
    for record in records:
        followed = Followed(record)
        while not followed.state().over:
            time.sleep(LOOK)
        print(f"{record.name} {followed.state().text}", file=sys.stderr)
        codes.append(exit_code(followed.record, followed.state()))
    return next((code for code in codes if code), 0)


def exit_code(record: RunRecord, state: RunState) -> int:
    """The exit code of a script as a shell has it; 1 where nobody knows how it ended."""
    code = record.returncode
    if state.word == "lost" or code is None:
        return 1
    return 128 - code if code < 0 else code


def attach(record: RunRecord) -> int:
    """Show how far a run is, and what it writes, until it ends. Returns the exit code of the script."""
    from parsl_on_dask.monitoring import screens
    from parsl_on_dask.monitoring.counts import Pace, total
    from parsl_on_dask.monitoring.progress import LINE, screen_for
    from parsl_on_dask.monitoring.published import standing

    followed, log = Followed(record), Log(record.log, at_end=True)
    pace, screen = Pace(), screen_for(sys.stderr)
    shown_at = 0.0
    rows: Sequence[Any] = ()

    def look() -> None:
        nonlocal rows
        far = standing(followed.record.run_dir)
        if far is not None:
            rows = far.apps
            if far.passed > pace.passed:
                pace.began = time.monotonic() - far.passed
        pace.see(total(rows))

    try:
        print(f"{record.name}: {followed.state().text}; Ctrl-C leaves it", file=sys.stderr)
        screen.open()
        while True:
            state = followed.state()
            if text := log.new().decode(errors="replace"):
                sys.stdout.write(text)
                sys.stdout.flush()
            elif state.over:
                break
            look()
            if time.monotonic() - shown_at >= (LINE if screen.slow else LOOK):
                shown_at = time.monotonic()
                screen.show(rows, pace)
            time.sleep(LOOK)
        screen.close(rows, pace)
    except KeyboardInterrupt:
        if isinstance(screen, screens.Terminal):
            screen.live.stop()
        print(f"\n{record.name} goes on without you: attach {record.name} shows it again", file=sys.stderr)
        return 0
    print(f"{record.name} {state.text}", file=sys.stderr)
    return exit_code(followed.record, state)
