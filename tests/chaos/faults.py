"""What happens to a run, one function a fault."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from tests.chaos.driver import Trial

EVERYWHERE = ("threads", "processes", "existing", "slurm")
APART = ("processes", "existing", "slurm")


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
    """

    act: Callable[[Trial, random.Random], None]
    executors: tuple[str, ...] = EVERYWHERE
    client: str = "ends"
    kills: bool = False
    loses: bool = False
    records: bool = True
    order: Callable[[random.Random], dict[str, Any]] | None = None
    twice: bool = False


def nothing(trial: Trial, rng: random.Random) -> None:
    """It goes on as it would."""


def send(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def to_client(number: int) -> Callable[[Trial, random.Random], None]:
    return lambda trial, rng: send([trial.client], number)


def to_workers(number: int, share: str) -> Callable[[Trial, random.Random], None]:
    def act(trial: Trial, rng: random.Random) -> None:
        workers = trial.workers()
        count = {"one": 1, "two": 2, "all": len(workers)}[share]
        send(rng.sample(workers, min(count, len(workers))), number)

    return act


def stops(which: Callable[[Trial], list[psutil.Process]], rounds: int = 1) -> Callable[[Trial, random.Random], None]:
    """Stop one of some processes for a while, several times."""

    def act(trial: Trial, rng: random.Random) -> None:
        for _ in range(rounds):
            processes = which(trial)
            if not processes:
                return
            process = rng.choice(processes)
            send([process], signal.SIGSTOP)
            time.sleep(rng.uniform(0.1, 2))
            send([process], signal.SIGCONT)
            time.sleep(rng.uniform(0, 0.2))

    return act


def sabotage(what: str, where: str = "client", chance: float = 0.3) -> Callable[[random.Random], dict[str, Any]]:
    return lambda rng: {
        "what": what,
        "where": where,
        "seed": rng.random(),
        "chance": chance,
        "after": rng.uniform(0, 2.5),
        "during": rng.uniform(0.2, 2),
    }


def start_second(trial: Trial, rng: random.Random) -> None:
    trial.start_second()


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
        lambda trial, rng: send(trial.supervisors(), signal.SIGKILL),
        ("processes", "slurm"),
        client="any",
        kills=True,
        loses=True,
    ),
    "supervisor-term": Fault(
        lambda trial, rng: send(trial.supervisors(), signal.SIGTERM),
        ("processes",),
        client="any",
        kills=True,
        loses=True,
    ),
    "supervisor-stop": Fault(stops(lambda trial: trial.supervisors()), ("processes", "slurm")),
    "scheduler-kill": Fault(
        lambda trial, rng: send(trial.schedulers(), signal.SIGKILL), APART, client="any", kills=True, loses=True
    ),
    "scheduler-stop": Fault(stops(lambda trial: trial.schedulers()), APART),
    "any-stop": Fault(stops(lambda trial: trial.processes(), rounds=4)),
    "agents-close": Fault(nothing, APART, order=sabotage("agents", chance=0.7)),
    "all-connections-close": Fault(
        nothing, APART, client="any", kills=True, loses=True, order=sabotage("cut", chance=0.7)
    ),
    "disk-full": Fault(nothing, client="any", records=False, order=sabotage("disk_full", chance=1.0)),
    "fsync-fails": Fault(nothing, records=False, order=sabotage("fsync", "all")),
    "open-fails": Fault(nothing, client="any", records=False, loses=True, order=sabotage("open")),
    "connect-fails": Fault(nothing, APART, client="any", loses=True, order=sabotage("connect")),
    "clock-turns": Fault(nothing, order=sabotage("clock")),
    "second-run": Fault(start_second, twice=True),
}


def order_of(fault: Fault, seed: int, below: list[str]) -> str:
    """What the processes of a run are told, as text."""
    if fault.order is None:
        return "null"
    return json.dumps({**fault.order(random.Random(f"sabotage {seed}")), "below": below})
