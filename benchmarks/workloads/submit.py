"""What a call costs its caller: the time from calling the app to having the future."""

from __future__ import annotations

import statistics
import time

from benchmarks.script import main
from benchmarks.systems import System


def noop(i: int) -> int:
    return i


def measure(system: System, n: int) -> dict[str, float]:
    app = system.app(noop)
    system.gather([app(-i) for i in range(1, 51)])
    clock = time.perf_counter
    times = []
    futures = []
    for i in range(n):
        begin = clock()
        future = app(i)
        times.append(clock() - begin)
        futures.append(future)
    system.gather(futures)
    times.sort()
    return {
        "median_us": statistics.median(times) * 1e6,
        "mean_us": statistics.fmean(times) * 1e6,
        "p99_us": times[int(0.99 * (n - 1))] * 1e6,
    }


if __name__ == "__main__":
    main(measure)
