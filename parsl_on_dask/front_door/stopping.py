"""``stop``: ends a run, wherever it is."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

from parsl_on_dask.common import run_records
from parsl_on_dask.common.processes_here import alive
from parsl_on_dask.common.run_records import RunRecord, RunState
from parsl_on_dask.front_door import ends, jobs_of_runs
from parsl_on_dask.front_door.following import LOOK, Followed
from parsl_on_dask.front_door.listing import state_among

#: Seconds after which it is said that a run is still there.
TELL = 10.0


def stop(record: RunRecord, now: bool) -> int:
    """End a run, and wait until it is gone. Returns an exit code."""
    followed = Followed(record)
    state = _whole_state(followed)
    if state.over:
        _tell(f"{record.name} {state.text} already" if state.word != "lost" else f"{record.name} is {state.text}")
        return 0
    if record.folder != run_records.folder():
        _tell(f"{record.name} is a run of {record.host}, and its record is not here: stop it there")
        return 1
    try:
        _end(followed.record, state, now)
        asked = time.monotonic()
        while not (state := _whole_state(followed)).over:
            if time.monotonic() - asked > TELL:
                asked = time.monotonic()
                _tell(f"{record.name} is still there" + ("" if now else f"; stop --now {record.name} ends it at once"))
            time.sleep(LOOK)
    except KeyboardInterrupt:
        _tell(f"{record.name} was asked to end; nobody waits for that any more")
        return 130
    _tell(f"{record.name} {state.text}")
    return 0


def _end(record: RunRecord, state: RunState, now: bool) -> None:
    for other in _staying(record):
        if alive(other.process) and (now or state.word == "stays"):
            assert other.process is not None
            _tell(f"{record.name}: what has stayed of it is told to end")
            with suppress(ProcessLookupError):
                os.kill(other.process[0], signal.SIGTERM)
    if state.word == "stays":
        return
    if record.job and (now or state.word == "pending"):
        _tell(f"{record.name}: {record.system} job {record.job} is cancelled")
        jobs_of_runs.cancel(record)
        return
    here = (record.host, record.boot) == run_records.machine()
    _tell(f"{record.name} is {'killed' if now else 'interrupted, and cleans up'}")
    if here and now:
        ends.end_all(record, _tell)
    elif here and alive(record.process) and record.kind != "job":  # which may be about to hand over to another job
        ends.interrupt(record.process)
    else:
        run_records.update(record.name, where=record.folder, request="now" if now else "stop")


def _staying(record: RunRecord) -> list[RunRecord]:
    if record.kind == "stays":
        return [record]
    everything = run_records.read_all(where=record.folder)
    return [r for r in everything if r.kind == "stays" and r.run_dir and r.run_dir in record.run_dirs]


def _whole_state(followed: Followed) -> RunState:
    """How a run is, with what has stayed of it."""
    state = followed.state()
    if state.over:
        state = state_among(followed.record, [followed.record, *_staying(followed.record)]) or state
    return state


def _tell(text: str) -> None:
    print(text, file=sys.stderr)
