"""How long the import takes in a fresh process whose files are in the page cache."""

from __future__ import annotations

import importlib
import sys
import time

from benchmarks.script import main
from benchmarks.systems import System


def measure(system: System) -> dict[str, float]:
    before = len(sys.modules)
    begin = time.perf_counter()
    importlib.import_module(system.module)
    seconds = time.perf_counter() - begin
    # A package may put off its own imports: these are the names that a script uses before it loads anything.
    for module, name in system.names():
        getattr(importlib.import_module(module), name)
    return {
        "seconds": seconds,
        "names_seconds": time.perf_counter() - begin,
        "modules": len(sys.modules) - before,
    }


if __name__ == "__main__":
    main(measure, started=False)
