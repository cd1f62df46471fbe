"""What runs inside one measurement: ``python -m benchmarks.workloads.NAME SYSTEM KIND '{"parameter": value}'``.

It prints one line of JSON and ends. The line is printed before the system is stopped, so that a system that hangs
while stopping still has its figures.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from benchmarks import systems

PROGRESS = "progress: "
"""What a line of the error output begins with when it is to be shown while the measurement runs."""

STOP_LIMIT = 30.0
"""Seconds that a system may take to stop before the process ends itself."""


def main(measure: Callable[..., dict[str, float]], *, started: bool = True) -> None:
    """Run one measurement as the command line says.

    Parameters
    ----------
    measure
        Called as ``measure(system, **parameters)``; returns names and figures.
    started
        Whether the system is started and warm before `measure` is called, and stopped after it.
    """
    if len(sys.argv) != 4:
        sys.exit(f"usage: python -m benchmarks.workloads.NAME {{{'|'.join(systems.MODULES)}}} KIND PARAMETERS-AS-JSON")
    name, kind = sys.argv[1:3]
    parameters: dict[str, Any] = json.loads(sys.argv[3])
    system = systems.make(name, kind, log=bool(parameters.pop("log", False)))
    workers = 0
    if started:
        system.start()
        workers = systems.warm_up(system)
    values = measure(system, **parameters)
    line = {"system": name, "kind": kind, "workers": workers, "values": values}
    print(json.dumps(line), flush=True)
    if started:
        watchdog = threading.Timer(STOP_LIMIT, os._exit, [3])
        watchdog.daemon = True
        watchdog.start()
        system.stop()
        watchdog.cancel()
