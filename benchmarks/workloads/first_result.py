"""From nothing to the first value: with the import, and from before load."""

from __future__ import annotations

import importlib
import time

from benchmarks.script import main
from benchmarks.systems import System


def increment(i: int) -> int:
    return i + 1


def measure(system: System) -> dict[str, float]:
    begin = time.perf_counter()
    importlib.import_module(system.module)
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
