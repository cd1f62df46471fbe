"""What is known of a run that does not end with a terminal, and how it is found by its name."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from parsl_on_dask.common.processes_here import Process


class UnknownRun(LookupError):
    """No run, or not one alone, has the name that was asked for; the text says which runs there are."""


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run.

    - `name`: unique among the runs of a user.
    - `kind`: ``"detached"``: a script without a terminal. ``"job"``: a script in a batch job. ``"stays"``: what has
      stayed of a run whose script is gone.
    - `process`: the script, or what stays.
    - `keeper`: who waits for the end of the script.
    - `host`, `boot`: the machine of both, and since when it is up.
    - `began`, `ended`: seconds since 1970 by the clock of the machine that wrote them; None when it is not so far.
    - `returncode`: how the script ended: its exit code, or the number of a signal with a minus.
    - `request`: what somebody wants of the keeper: ``"stop"`` or ``"now"``.
    - `run_dirs`: run directories of its kernels, the newest last.
    - `linger`: seconds that what a script leaves behind goes on without it, on other machines than the script's own
      job. Such a script is killed when the time of its job is up, and not interrupted.
    - `job`, `system`, `config_name`, `limit`: the batch job of a script, its batch system with the section of
      ``jobqueue.yaml``, and its walltime in seconds.
    - `life`: how often the script was started.
    - `socket`: where what stays can be talked to.
    - `note`: why it ended, for people.
    - `folder`: where the record was read from. Not part of the file.
    """

    name: str
    kind: str = "detached"
    argv: list[str] = field(default_factory=list)
    cwd: str = ""
    script: str = ""
    log: str = ""
    process: Process | None = None
    keeper: Process | None = None
    host: str = ""
    boot: str = ""
    began: float | None = None
    ended: float | None = None
    returncode: int | None = None
    request: str = ""
    run_dirs: list[str] = field(default_factory=list)
    linger: float | None = None
    job: str = ""
    system: str = ""
    config_name: str | None = None
    limit: float | None = None
    life: int = 0
    socket: str = ""
    note: str = ""
    folder: str = field(default="", compare=False)

    @property
    def run_dir(self) -> str:
        """The run directory of the newest kernel; ``""`` before there is one."""
        return self.run_dirs[-1] if self.run_dirs else ""


class RunState(NamedTuple):
    """How a run is.

    - `word`: ``"pending"``, ``"running"``, ``"stays"``, ``"ended"``, ``"killed"`` or ``"lost"``.
    - `text`: the same for people, with the exit code, the signal, or the reason.
    """

    word: str
    text: str

    @property
    def over(self) -> bool:
        """Whether nothing of the run is there any more, as far as is known."""
        return self.word in ("ended", "killed", "lost")


def find(name: str, records: Sequence[RunRecord]) -> RunRecord:
    """The run that a name stands for: the whole name, its beginning, or its last digits.

    Raises UnknownRun when there is none, or more than one.

    Examples
    --------
    >>> runs = [RunRecord("fit-12ab"), RunRecord("fit-34cd"), RunRecord("sum-56ef")]
    >>> find("s", runs).name, find("34cd", runs).name
    ('sum-56ef', 'fit-34cd')
    >>> find("fit", runs)
    Traceback (most recent call last):
    parsl_on_dask.common.run_record.UnknownRun: 'fit' could be fit-12ab or fit-34cd: write more of the name
    """
    found = [record for record in records if record.name == name]
    found = found or [record for record in records if name and record.name.startswith(name)]
    found = found or [record for record in records if name and record.name.endswith("-" + name)]
    names = list(dict.fromkeys(record.name for record in found))
    if len(names) == 1:
        return found[-1]
    if names:
        raise UnknownRun(f"{name!r} could be {' or '.join(names)}: write more of the name")
    there = ", ".join(record.name for record in reversed(records[-20:]))
    raise UnknownRun(f"there is no run {name!r}; {f'there are: {there}' if there else 'there are none'}")


def end_of(record: RunRecord) -> RunState:
    """How a run that has ended did so.

    Examples
    --------
    >>> end_of(RunRecord("a", returncode=-9)), end_of(RunRecord("a", returncode=0)).text
    (RunState(word='killed', text='killed by SIGKILL'), 'ended with exit code 0')
    """
    code = record.returncode
    if code is None:
        return RunState("ended", record.note or "ended")
    note = f"; {record.note}" if record.note else ""
    if code < 0:
        return RunState("killed", f"killed by {_signal(-code)}{note}")
    return RunState("ended", f"ended with exit code {code}{note}")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
