"""Many calls that do nothing: how many a second, from the first call to the last value."""

from __future__ import annotations

import time

from benchmarks.script import main
from benchmarks.systems import System


def noop(i: int) -> int:
    return i


def measure(system: System, n: int) -> dict[str, float]:
    app = system.app(noop)
    system.gather([app(-i) for i in range(1, 51)])
    begin = time.perf_counter()
    futures = [app(i) for i in range(n)]
    submitted = time.perf_counter()
    values = system.gather(futures)
    end = time.perf_counter()
    assert values == list(range(n))
    return {"calls_per_second": n / (end - begin), "submit_seconds": submitted - begin, "seconds": end - begin}


if __name__ == "__main__":
    main(measure)
