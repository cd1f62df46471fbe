"""Calls that keep a core busy for a given time: which part of the cores' time goes into them."""

from __future__ import annotations

import time

from benchmarks.script import main
from benchmarks.systems import WORKERS, System


def spin(ms: float, i: int) -> int:
    # CPU time, not wall time: work that is interrupted is not done yet.
    import time

    end = time.thread_time() + ms / 1e3
    while time.thread_time() < end:
        pass
    return i


def measure(system: System, ms: float, n: int) -> dict[str, float]:
    app = system.app(spin)
    system.gather([app(ms, -i) for i in range(1, 21)])
    begin = time.perf_counter()
    values = system.gather([app(ms, i) for i in range(n)])
    seconds = time.perf_counter() - begin
    assert values == list(range(n))
    return {"efficiency": 100 * (n * ms / 1e3 / WORKERS) / seconds, "seconds": seconds, "calls_per_second": n / seconds}


if __name__ == "__main__":
    main(measure)
