"""Very many calls that do nothing, with and without a record in a database: what does monitoring cost the workflow."""

from __future__ import annotations

import tempfile
import time

from benchmarks.script import main
from benchmarks.systems import System, warm_up


def noop(i: int) -> int:
    return i


def a_run(system: System, n: int) -> tuple[float, float]:
    """Calls a second, and the seconds that the end of the run took."""
    warm_up(system)
    app = system.app(noop)
    system.gather([app(-i) for i in range(1, 51)])
    begin = time.perf_counter()
    futures = [app(i) for i in range(n)]
    system.wait(futures)
    end = time.perf_counter()
    system.stop()
    return n / (end - begin), time.perf_counter() - end


def measure(system: System, n: int) -> dict[str, float]:
    plain, monitored, ends = [], [], []
    for _ in range(2):  # one after the other, as what else the machine does goes up and down
        system.start()
        plain.append(a_run(system, n)[0])
        with tempfile.TemporaryDirectory() as directory:
            system.start_monitored(directory)
            rate, end = a_run(system, n)
        monitored.append(rate)
        ends.append(end)
    return {
        "plain_calls_per_second": max(plain),
        "monitored_calls_per_second": max(monitored),
        "cost_percent": 100 * (1 - max(monitored) / max(plain)),
        "end_seconds": min(ends),
    }


if __name__ == "__main__":
    main(measure, started=False)
