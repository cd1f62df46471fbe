"""Many cached calls that do nothing: a run that records every result, and the next one, which finds them all."""

from __future__ import annotations

import tempfile
import time

from benchmarks.script import main
from benchmarks.systems import System, warm_up


def noop(i: int) -> int:
    return i


def a_run(system: System, directory: str, n: int) -> dict[str, float]:
    """Start the system, make the calls, stop it: a script of its own would do the same."""
    begin = time.perf_counter()
    system.start_recording(directory)
    loaded = time.perf_counter()
    warm_up(system)
    app = system.cached_app(noop)
    system.gather([app(-i) for i in range(1, 51)])
    first = time.perf_counter()
    futures = [app(i) for i in range(n)]
    submitted = time.perf_counter()
    values = system.gather(futures)
    end = time.perf_counter()
    assert values == list(range(n))
    system.stop()
    return {"calls_per_second": n / (end - first), "submit_seconds": submitted - first, "load_seconds": loaded - begin}


def measure(system: System, n: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory:
        found = {f"cold_{name}": value for name, value in a_run(system, directory, n).items()}
        found |= {f"warm_{name}": value for name, value in a_run(system, directory, n).items()}
    return found


if __name__ == "__main__":
    main(measure, started=False)
