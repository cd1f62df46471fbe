"""What samples of resources cost: CPU time of the script and all its workers, while calls do nothing but wait."""

from __future__ import annotations

import tempfile
import time

from benchmarks.script import main
from benchmarks.sizes import cpu_of_all
from benchmarks.systems import WORKERS, System, warm_up


def wait(seconds: float, children: int) -> None:
    """Wait, as do some processes below this one, which are to be looked at as well."""
    import subprocess

    below = [subprocess.Popen(["sleep", str(seconds)]) for _ in range(children)]
    for process in below:
        process.wait()


def a_run(system: System, seconds: float, children: int) -> float:
    """Cores in use by this process and all below it while calls wait."""
    warm_up(system)
    app = system.app(wait)
    futures = [app(seconds, children) for _ in range(WORKERS)]
    time.sleep(2.0)  # to begin
    before = cpu_of_all()
    time.sleep(seconds - 4.0)
    spent = cpu_of_all() - before
    system.wait(futures)
    system.stop()
    return spent / (seconds - 4.0)


def measure(system: System, seconds: float, interval: float, children: int) -> dict[str, float]:
    system.start()
    plain = a_run(system, seconds, children)
    with tempfile.TemporaryDirectory() as directory:
        system.start_monitored(directory, interval)
        monitored = a_run(system, seconds, children)
    return {
        "plain_percent": 100 * plain,
        "monitored_percent": 100 * monitored,
        "percent_of_a_core": 100 * max(0.0, monitored - plain) / WORKERS,
    }


if __name__ == "__main__":
    main(measure, started=False)
