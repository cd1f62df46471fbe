"""Keeps a script in a batch job, and asks for another job, in which it begins again, before this one's time is up."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from parsl_on_dask.common import run_records
from parsl_on_dask.common.run_records import RunRecord
from parsl_on_dask.front_door.keeper import LOOK, Keeper, keep, keeper_command
from parsl_on_dask.providers.allocation import allocation_here, end_of

#: What a record says of a script that its batch system has ended: the job may be run again.
BY_SYSTEM = "the batch system has ended it"
#: What it says of one that could not go on.
NO_OTHER = "the time of its job was up, and it got no other one"
#: Seconds before the end of a job at which a script that did not end when it was told to is killed.
LAST = 10.0
#: How a script ends that was told to by a batch system, and seconds for its keeper to hear of that, too.
TERMINATED, HEARD = (-signal.SIGTERM, 128 + signal.SIGTERM), 5.0
#: Seconds for asking for a job.
PATIENCE = 120.0


def margin(left: float) -> float:
    """Seconds before the end of a job, of which so many are left, at which the script is ended.

    Examples
    --------
    >>> [margin(left) for left in (60, 1800, 86400)]
    [30.0, 180.0, 300.0]
    """
    return min(max(60.0, left / 10), 300.0, left / 2)


class JobKeeper(Keeper):
    """Keeps a run in the job in which its script begins for the so manieth time: its `life`."""

    #: Some batch systems end just the process group that they have started.
    own_session = False

    def __init__(self, record: RunRecord, life: int) -> None:
        super().__init__(record)
        self.life = life
        self.end: float | None = None
        self.next_job = ""
        self.ending = self.stopped = False
        self.why = BY_SYSTEM

    def run(self, started: Callable[[], None] = lambda: None) -> int:
        if not self._turn():
            return 0
        self._listen()
        left = self._left()
        if left is not None:
            self.end = time.monotonic() + left
            self.alarm = (self.end - margin(left), self._end_of_time)
        self.write(ended=None, returncode=None, note="", life=self.life)
        self.start_script()
        code = self.wait()
        if self.next_job and self.ending and not self.stopped:
            self.say(f"job {self.record.job} is over, and the script goes on in job {self.next_job}")
            self.write(host="", boot="", process=None, keeper=None, job=self.next_job, life=self.life + 1)
            return 0
        if self.next_job:
            self._ask("cancel", self.next_job)
        self.write_end(code, self.why if self.ending and not self.stopped else "")
        return code

    def wait(self) -> int:
        code = super().wait()
        if code in TERMINATED:  # a batch system tells all processes of a job, and this one may hear of it last
            until = time.monotonic() + HEARD
            while not self.ending and (rest := until - time.monotonic()) > 0:
                self.rest(rest)
        return code

    def _turn(self) -> bool:
        """Wait until the job before has handed over. False when there is nothing left to do."""
        while True:
            record = run_records.read(self.name, where=self.where)
            if record is None or record.life > self.life:
                return False
            if record.ended is not None and record.note != BY_SYSTEM:
                return False
            if record.request:  # made of the one before, which did not see it any more
                self.write(request="", ended=time.time(), note=f"ended: it was stopped before job {record.job} began")
                return False
            if record.life == self.life or run_records.state_of(record).word == "lost":
                self.record = record
                return True
            time.sleep(LOOK)

    def _left(self) -> float | None:
        """Seconds that the job has left."""
        with suppress(OSError):
            found = allocation_here()
            end = None if found is None else end_of(found)
            if end is not None:
                return end - time.time()
        return self.record.limit

    def asked(self, request: str) -> None:
        self.stopped = True
        super().asked(request)

    def interrupt(self) -> None:
        self.ending = True
        super().interrupt()

    def _end_of_time(self) -> None:
        """Ask for the next job, and end the script, which begins again in that."""
        assert self.end is not None and self.script is not None
        self.next_job = self._ask(str(self.life + 1))
        left = self.end - time.monotonic()
        if not self.next_job and left > 3 * LAST:
            self.alarm = (time.monotonic() + left / 3, self._end_of_time)
            return
        if self.script.poll() is not None:
            return
        if not self.next_job:
            self.why = NO_OTHER
        self.say(f"the time of job {self.record.job} is almost up: the script is ended")
        if self.record.linger:  # calls that run elsewhere are to go on, and are found again
            self.ending = True
            self.script.kill()
            return
        self.interrupt()
        self.alarm = (self.end - LAST, self._kill)

    def _kill(self) -> None:
        assert self.script is not None
        self.script.kill()

    def _ask(self, *words: str) -> str:
        """Have a process of its own submit or cancel a job: what that imports is not kept. Returns what it prints."""
        path = run_records.path_of(self.name, self.where)
        command = keeper_command(path, *words, module="jobs_of_runs")
        try:
            done = subprocess.run(command, cwd=self.record.cwd, capture_output=True, text=True, timeout=PATIENCE)
        except (OSError, subprocess.TimeoutExpired) as e:
            self.say(f"no other job: {e}")
            return ""
        if done.returncode:
            self.say(f"no other job: {done.stderr.strip()}")
            return ""
        return done.stdout.split()[-1] if done.stdout.split() else ""


def main(words: Sequence[str]) -> int:
    """Keep the run of the record at a path, in one of its lives."""
    return keep(words[0], lambda record: JobKeeper(record, int(words[1])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
