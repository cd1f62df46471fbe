"""Client and scheduler time of a no-op call on an existing cluster of many workers."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks.script import main
from benchmarks.systems import System

WORKERS = """
import asyncio, sys
import dask.config
from distributed import Worker

# a node has one machine's monitor and profiler, not hundreds of them
dask.config.set({"distributed.worker.profile.enabled": False, "distributed.admin.system-monitor.interval": "10s"})

async def main():
    path, n = sys.argv[1], int(sys.argv[2])
    workers = await asyncio.gather(*[
        Worker(scheduler_file=path, nthreads=1, memory_limit=0, dashboard=False, host="127.0.0.1") for _ in range(n)
    ])
    await asyncio.gather(*[worker.finished() for worker in workers])

asyncio.run(main())
"""


SHARE = 50
"""How many workers share a process."""


def noop(i: int) -> int:
    return i


def measure(system: System, n: int, calls: int) -> dict[str, float]:
    import psutil

    folder = tempfile.mkdtemp(prefix="workers-")
    path = os.path.join(folder, "scheduler.json")
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", path]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    scheduler = subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", *options], **quiet)
    shares = [min(SHARE, n - begun) for begun in range(0, n, SHARE)]
    workers = [subprocess.Popen([sys.executable, "-c", WORKERS, path, str(share)], **quiet) for share in shares]
    try:
        run, stop = _connect(system, path, n)

        def spent() -> tuple[float, float]:
            times = psutil.Process(scheduler.pid).cpu_times()
            return time.process_time(), times.user + times.system

        run(10 * n)  # every worker has met the function, and the client every worker
        before, begin = spent(), time.perf_counter()
        run(calls)
        seconds = time.perf_counter() - begin
        after = spent()
        stop()
    finally:
        for process in (*workers, scheduler):
            process.terminate()
            process.wait()
    client, served = after[0] - before[0], after[1] - before[1]
    return {
        "us_per_call": (client + served) / calls * 1e6,
        "client_us_per_call": client / calls * 1e6,
        "scheduler_us_per_call": served / calls * 1e6,
        "calls_per_second": calls / seconds,
    }


def _connect(system: System, path: str, n: int) -> tuple[Callable[[int], None], Callable[[], None]]:
    """What runs a number of calls, and what ends the connection."""
    distributed = importlib.import_module("distributed")
    while not os.path.exists(path):
        time.sleep(0.05)
    with distributed.Client(scheduler_file=path, set_as_default=False) as watching:
        watching.wait_for_workers(n, timeout=240)
    if system.module == "distributed":
        client = distributed.Client(scheduler_file=path)

        def run(calls: int) -> None:
            client.gather([client.submit(noop, i, pure=False) for i in range(calls)])

        return run, client.close
    parsl = importlib.import_module(system.module)
    config = importlib.import_module(f"{system.module}.config")
    executors = importlib.import_module(f"{system.module}.executors")
    one = executors.DaskExecutor(scheduler_file=path, label="bench")
    parsl.load(config.Config(executors=[one], initialize_logging=False))
    app = parsl.python_app(noop)

    def run_apps(calls: int) -> None:
        for future in [app(i) for i in range(calls)]:
            future.result()

    return run_apps, parsl.clear


if __name__ == "__main__":
    main(measure, started=False)
