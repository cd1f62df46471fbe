"""What happens to a run, one function a fault."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from tests.chaos.driver import Trial

EVERYWHERE = ("threads", "processes", "existing", "slurm")
APART = ("processes", "existing", "slurm")

Act = Callable[["Trial", random.Random], int]
"""Does something to a trial; how many processes it happened to."""


@dataclass
class Fault:
    """Something that happens to a run, and what it excuses.

    Attributes
    ----------
    act : callable
        Called with the trial and a random generator, when the time has come.
    executors : tuple of str
        Where it can happen.
    client : str
        How the script ends: ``"ends"`` (by itself, and without an error), ``"dies"``, ``"interrupted"``, ``"any"``.
    kills : bool
        Whether workers die or lose their results: calls that run there are charged, and values are computed again.
    loses : bool
        Whether calls may fail although there are tries left: everything that they could run on may be gone.
    records : bool
        Whether what was seen done has to be found by the next run.
    order : callable or None
        Makes what :mod:`tests.chaos.sabotage` is told.
    twice : bool
        Whether a second run is started beside the first one.
    resends : bool
        Whether calls that run are sent a second time, as nobody knows what became of them.
    at_start : bool
        Whether what :mod:`tests.chaos.sabotage` was told begins to go wrong before the script starts.
    lingers : bool
        Whether it can happen only where executors stay when the script dies.
    """

    act: Act
    executors: tuple[str, ...] = EVERYWHERE
    client: str = "ends"
    kills: bool = False
    loses: bool = False
    records: bool = True
    order: Callable[[random.Random], dict[str, Any]] | None = None
    twice: bool = False
    resends: bool = False
    at_start: bool = False
    lingers: bool = False


def nothing(trial: Trial, rng: random.Random) -> int:
    """Let it go on as it would."""
    return 0


def send(processes: list[psutil.Process], number: int) -> int:
    """Send a signal to processes; how many were there to get it."""
    count = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
            count += 1
    return count


def to_client(number: int) -> Act:
    return lambda trial, rng: send([trial.client], number)


def to_workers(number: int, share: str) -> Act:
    def act(trial: Trial, rng: random.Random) -> int:
        workers = trial.some(trial.workers)
        count = {"one": 1, "two": 2, "all": len(workers)}[share]
        return send(rng.sample(workers, min(count, len(workers))), number)

    return act


def to_all(which: Callable[[Trial], list[psutil.Process]], number: int) -> Act:
    return lambda trial, rng: send(trial.some(lambda: which(trial)), number)


def stops(which: Callable[[Trial], list[psutil.Process]], rounds: int = 1) -> Act:
    """Stop one of some processes for a while, several times."""

    def act(trial: Trial, rng: random.Random) -> int:
        struck = 0
        for _ in range(rounds):
            processes = trial.some(lambda: which(trial))
            if not processes:
                break
            process = rng.choice(processes)
            struck += send([process], signal.SIGSTOP)
            time.sleep(rng.uniform(0.1, 2))
            send([process], signal.SIGCONT)
            time.sleep(rng.uniform(0, 0.2))
        return struck

    return act


def sabotage(what: str, where: str = "client", chance: float = 0.3) -> Callable[[random.Random], dict[str, Any]]:
    return lambda rng: {
        "what": what,
        "where": where,
        "seed": rng.random(),
        "chance": chance,
    }


def goes_wrong(trial: Trial, rng: random.Random) -> int:
    """Let what :mod:`tests.chaos.sabotage` was told go wrong for a while."""
    trial.now.touch()
    time.sleep(rng.uniform(0.5, 3))
    trial.now.unlink()
    return 0


def start_second(trial: Trial, rng: random.Random) -> int:
    trial.start_second()
    return 1


FAULTS: dict[str, Fault] = {
    "none": Fault(nothing),
    "client-kill": Fault(to_client(signal.SIGKILL), client="dies"),
    "client-int": Fault(to_client(signal.SIGINT), client="interrupted"),
    "client-term": Fault(to_client(signal.SIGTERM), client="dies"),
    "client-stop": Fault(stops(lambda trial: [trial.client])),
    "worker-kill": Fault(to_workers(signal.SIGKILL, "one"), APART, kills=True),
    "workers-kill": Fault(to_workers(signal.SIGKILL, "two"), APART, kills=True),
    "all-workers-kill": Fault(to_workers(signal.SIGKILL, "all"), APART, kills=True),
    "worker-term": Fault(to_workers(signal.SIGTERM, "one"), APART, kills=True),
    "worker-int": Fault(to_workers(signal.SIGINT, "one"), APART, kills=True),
    "worker-stop": Fault(stops(lambda trial: trial.workers()), APART),
    "supervisor-kill": Fault(
        to_all(lambda trial: trial.supervisors(), signal.SIGKILL),
        ("processes", "slurm"),
        client="any",
        kills=True,
        loses=True,
    ),
    "supervisor-term": Fault(
        to_all(lambda trial: trial.supervisors(), signal.SIGTERM),
        ("processes",),
        client="any",
        kills=True,
        loses=True,
    ),
    "supervisor-stop": Fault(stops(lambda trial: trial.supervisors()), ("processes", "slurm")),
    "scheduler-kill": Fault(
        to_all(lambda trial: trial.schedulers(), signal.SIGKILL),
        APART,
        client="any",
        kills=True,
        loses=True,
    ),
    "scheduler-stop": Fault(stops(lambda trial: trial.schedulers()), APART),
    "resident-kill": Fault(
        to_all(lambda trial: trial.residents(), signal.SIGKILL),
        APART,
        client="any",
        kills=True,
        loses=True,
        lingers=True,
    ),
    "any-stop": Fault(stops(lambda trial: trial.processes(), rounds=4)),
    "agents-close": Fault(goes_wrong, APART, order=sabotage("agents", chance=0.7)),
    "all-connections-close": Fault(
        goes_wrong, APART, client="any", kills=True, loses=True, resends=True, order=sabotage("cut", chance=0.7)
    ),
    "disk-full": Fault(goes_wrong, client="any", records=False, order=sabotage("disk_full", chance=1.0)),
    "fsync-fails": Fault(goes_wrong, records=False, order=sabotage("fsync", "all", chance=0.8)),
    "open-fails": Fault(goes_wrong, client="any", records=False, loses=True, order=sabotage("open", chance=0.5)),
    "connect-fails": Fault(goes_wrong, APART, client="any", loses=True, order=sabotage("connect"), at_start=True),
    "clock-turns": Fault(goes_wrong, order=sabotage("clock")),
    "second-run": Fault(start_second, twice=True),
}


def order_of(fault: Fault, seed: int, below: list[str], now: Path, struck: Path) -> str:
    """What the processes of a run are told, as text."""
    if fault.order is None:
        return "null"
    order = fault.order(random.Random(f"sabotage {seed}"))
    return json.dumps({**order, "below": below, "now": str(now), "struck": str(struck)})
