"""One call and its value, again and again: the median time of a round trip."""

from __future__ import annotations

import statistics
import time

from benchmarks.script import main
from benchmarks.systems import System


def noop(i: int) -> int:
    return i


def measure(system: System, n: int) -> dict[str, float]:
    app = system.app(noop)
    for i in range(10):
        system.result(app(-1 - i))
    times = []
    for i in range(n):
        begin = time.perf_counter()
        system.result(app(i))
        times.append(time.perf_counter() - begin)
    times.sort()
    return {"median_ms": statistics.median(times) * 1e3, "p90_ms": times[int(0.9 * (n - 1))] * 1e3}


if __name__ == "__main__":
    main(measure)
