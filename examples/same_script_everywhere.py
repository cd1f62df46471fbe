"""The same workflow on threads, on local processes and on a Dask cluster that exists already.

    python examples/same_script_everywhere.py threads
    python examples/same_script_everywhere.py processes
    python examples/same_script_everywhere.py tcp://127.0.0.1:8786
    python examples/same_script_everywhere.py            # all three; starts a small cluster for the third

It estimates pi by throwing darts. Only the Config differs; the apps and the workflow do not know where they run.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, python_app
from parsl_on_dask.config import Config
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor


@python_app
def throw(darts: int, seed: int) -> tuple[int, int]:
    """How many of the darts hit the circle, and the process that threw them."""
    import os
    import random

    rng = random.Random(seed)
    hits = sum(rng.random() ** 2 + rng.random() ** 2 <= 1 for _ in range(darts))
    return hits, os.getpid()


@python_app
def estimate(throws: list[Any], darts: int) -> tuple[float, int]:
    """Pi, and how many processes took part. `throws` is a list of futures: they are done when this runs."""
    results = [future.result() for future in throws]
    return 4 * sum(hits for hits, _ in results) / (darts * len(results)), len({pid for _, pid in results})


@bash_app
def where(stdout: Any = parsl.AUTO_LOGNAME) -> str:
    return "echo $(uname -n):$PPID"


def workflow(darts: int = 50_000, calls: int = 16) -> str:
    place = where()
    pi, processes = estimate([throw(darts, seed) for seed in range(calls)], darts).result()
    place.result()
    with open(place.stdout) as f:
        pid = int(f.read().split(":")[1])
    inside = "this process" if pid == os.getpid() else "another process"
    return f"pi is about {pi:.4f}, thrown by {processes} process{'es' * (processes > 1)}; bash ran below {inside}"


def run(name: str, executor: Any) -> None:
    began = time.perf_counter()
    with parsl.load(Config(executors=[executor])):
        print(f"{name:<10} {workflow()} ({time.perf_counter() - began:.1f} s)", flush=True)


def main() -> None:
    wanted = sys.argv[1:] or ["threads", "processes", "existing"]
    for name in wanted:
        if name == "threads":
            run(name, ThreadPoolExecutor(max_threads=2))
        elif name == "processes":
            run(name, HighThroughputExecutor(max_workers_per_node=2))
        elif name == "existing":
            from distributed import LocalCluster

            with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
                run(name, DaskExecutor(cluster.scheduler_address))
        else:
            run("existing", DaskExecutor(name))


if __name__ == "__main__":
    main()
