"""Memory of the client for each call that waits: for one unfinished future, or for workers that are all taken."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.script import main
from benchmarks.sizes import settled
from benchmarks.systems import WORKERS, System

BEHIND = ("future", "workers")
WATCHED = 0.5
"""Seconds for which the client's own CPU time is watched while all calls wait."""


def gate(folder: str, number: int) -> int:
    # Without its folder there is nobody left to open it.
    import os
    import time

    open(os.path.join(folder, f"reached-{number}"), "w").close()
    while os.path.isdir(folder) and not os.path.exists(os.path.join(folder, "open")):
        time.sleep(0.05)
    return number


def noop(i: int) -> int:
    return i


def first_of(i: int, _: int) -> int:
    return i


def reached(folder: Path, number: int, limit: float = 60.0) -> None:
    deadline = time.monotonic() + limit
    while not (folder / f"reached-{number}").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"gate {number} did not start within {limit:g} s")
        time.sleep(0.02)


def measure(system: System, n: int, behind: str) -> dict[str, float]:
    if behind not in BEHIND:
        raise ValueError(f"behind={behind!r}: calls wait behind one of {', '.join(BEHIND)}")
    ready, dependent = system.app(noop), system.app(first_of)
    # What the first calls of an app make is not what a call takes.
    done = system.submit(noop, -1)
    held = [*(ready(-i) for i in range(1, 251)), *(dependent(-i, done) for i in range(1, 251))]
    system.wait(held)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gates = [system.submit(gate, name, number) for number in range(1 if behind == "future" else WORKERS)]
        for number in range(len(gates)):
            reached(folder, number)
        before = settled()
        begin = time.perf_counter()
        if behind == "future":
            held += [dependent(i, gates[0]) for i in range(n)]
        else:
            held += [ready(i) for i in range(n)]
        submitted = time.perf_counter()
        grown = settled() - before
        # Calls that wait should cost nothing while they do.
        begun = time.perf_counter(), time.process_time()
        time.sleep(WATCHED)
        busy = (time.process_time() - begun[1]) / (time.perf_counter() - begun[0])
        (folder / "open").touch()
        system.wait(held)
        assert system.result(held[-1]) == n - 1
    return {
        "kb_per_call": grown / n / 1000,
        "submit_us": (submitted - begin) / n * 1e6,
        "client_cpu_percent": 100 * busy,
    }


if __name__ == "__main__":
    main(measure)
