"""From nothing to the first value: with the imports of a script, and from before load."""

from __future__ import annotations

import importlib
import time

from benchmarks.script import main
from benchmarks.systems import System


def increment(i: int) -> int:
    return i + 1


def measure(system: System) -> dict[str, float]:
    begin = time.perf_counter()
    for module, name in system.names():  # what a script imports at its head
        getattr(importlib.import_module(module), name)
    imported = time.perf_counter()
    system.start()
    started = time.perf_counter()
    assert system.result(system.submit(increment, 1)) == 2
    end = time.perf_counter()
    system.stop()
    stopped = time.perf_counter()
    return {
        "with_import_seconds": end - begin,
        "seconds": end - imported,
        "load_seconds": started - imported,
        "stop_seconds": stopped - end,
    }


if __name__ == "__main__":
    main(measure, started=False)
