"""Calls that each need the value of the one before: time a link, all links submitted at once."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.script import main
from benchmarks.systems import System


def increment(i: int) -> int:
    return i + 1


def links(system: System, n: int) -> float:
    app = system.app(increment)
    begin = time.perf_counter()
    future: Any = 0
    for _ in range(n):
        future = app(future)
    assert system.result(future) == n
    return time.perf_counter() - begin


def measure(system: System, n: int) -> dict[str, float]:
    links(system, 10)
    seconds = links(system, n)
    return {"ms_per_link": seconds / n * 1e3, "seconds": seconds}


if __name__ == "__main__":
    main(measure)
