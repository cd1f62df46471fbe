"""Ends the script of a run: as Ctrl-C would, or at once, and all that it has started."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from parsl_on_dask.common.processes_here import Process, alive
from parsl_on_dask.common.run_records import RunRecord

#: The variable that everything has which a run has started, whoever its parent is now.
TAG = "PARSL_ON_DASK_PART_OF"
#: Seconds that what a script has started has to clean up when the script was killed, and then when it is told to end.
GRACE, LAST_GRACE = 15.0, 3.0


def tag(name: str, keeper: Process) -> str:
    """What the variable says for a run."""
    return f"{name}:{keeper[0]}.{keeper[1]}"


def interrupt(process: Process | None) -> None:
    """Do to a script and what runs in its group what Ctrl-C in a terminal does."""
    signal_script(process, signal.SIGINT)


def signal_script(process: Process | None, number: int) -> None:
    """Send a signal to a script, and to its group where it has one of its own: in a batch job that is the job's."""
    if process is not None and alive(process):
        with suppress(ProcessLookupError):
            (os.killpg if os.getpgid(process[0]) == process[0] else os.kill)(process[0], number)


def end_all(record: RunRecord, tell: Callable[[str], None] = lambda _: None) -> None:
    """Kill the script of a run on this machine, and see that nothing is left of what it has started.

    What has cancelled batch jobs or removed files before it ends by itself is given the time to.
    """
    residents = residents_of(record)
    signal_script(record.process, signal.SIGKILL)
    for resident in residents:
        with suppress(ProcessLookupError):
            os.kill(resident[0], signal.SIGTERM)
    if record.keeper is None:
        return
    text = tag(record.name, record.keeper)
    if _none_left(text, GRACE, residents):
        return
    for number, seconds in ((signal.SIGTERM, LAST_GRACE), (signal.SIGKILL, GRACE)):
        left = parts(text)
        tell(f"{len(left)} processes that it has started are still there, and get {number.name}")
        for process in left:
            with suppress(OSError):
                os.kill(process[0], number)
        if _none_left(text, seconds):
            return


def residents_of(record: RunRecord) -> list[Process]:
    """The processes of this machine that keep the executors of a run when its script is gone."""
    from parsl_on_dask.linger import records

    found = [resident["process"] for run_dir in record.run_dirs if (resident := records.read(run_dir)) is not None]
    return [process for process in found if alive(process)]


def parts(text: str) -> list[Process]:
    """The processes of this machine that have the variable with this value, without this one."""
    import psutil

    from parsl_on_dask.common.processes_here import process_of

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(TAG) == text:
                known = process_of(process.pid)
                found += [known] if known is not None else []
    return found


def _none_left(text: str, seconds: float, others: Sequence[Process] = ()) -> bool:
    end = time.monotonic() + seconds
    left = [*parts(text), *others]
    while left and time.monotonic() < end:
        time.sleep(0.1)
        left = [process for process in left if alive(process)] or parts(text)
    return not left
