"""Calls that say what they need: how much longer they take than ones that do not, with one specification and many."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

from benchmarks.script import main
from benchmarks.systems import System


def noop(i: int) -> int:
    return i


def needing(i: int, parsl_resource_specification: Any = None) -> int:
    return i


def seconds(system: System, submit: Callable[[int], Any], n: int) -> float:
    system.gather([submit(i) for i in range(200)])
    begin = time.perf_counter()
    assert system.gather([submit(i) for i in range(n)]) == list(range(n))
    return time.perf_counter() - begin


def measure(system: System, n: int, kinds: int) -> dict[str, float]:
    system.start()
    plain = seconds(system, system.app(noop), n)
    system.stop()
    parsl = importlib.import_module(system.module)
    executors = importlib.import_module(f"{system.module}.executors")
    providers = importlib.import_module(f"{system.module}.providers")
    executor = executors.WorkQueueExecutor(label="needing", provider=providers.LocalProvider())
    app = parsl.python_app(needing)

    def of(several: int) -> Callable[[int], Any]:
        return lambda i: app(i, parsl_resource_specification={"cores": 1, "memory": 10 + i % several, "disk": 1})

    with parsl.load(parsl.Config(executors=[executor], initialize_logging=False)):
        one = seconds(system, of(1), n)
        many = seconds(system, of(kinds), n)
    return {"times_plain": one / plain, "times_plain_many": many / plain, "plain_seconds": plain}


if __name__ == "__main__":
    main(measure, started=False)
