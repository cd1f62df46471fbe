"""Processor time that blocks cost which only exist: a provider hands out ids, and says that all of them wait."""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.script import main
from benchmarks.sizes import cpu_of_all
from benchmarks.systems import System

SETTLE = 2.0
"""Seconds between the last submission and the time that counts as idle."""


def provider_of(module: str, n: int) -> Any:
    """A provider of ids, for Parsl or for this package."""
    base = importlib.import_module(f"{module}.providers.base").ExecutionProvider
    states = importlib.import_module(f"{module}.jobs.states")
    launchers = importlib.import_module(f"{module}.launchers")

    class Ids(base):  # type: ignore[misc, valid-type]
        label = "ids"
        status_polling_interval = 60
        cores_per_node = mem_per_node = None

        def __init__(self) -> None:
            self.nodes_per_block = 1
            self.init_blocks = 0
            self.min_blocks = self.max_blocks = n
            self.parallelism = 1
            self.walltime = "01:00:00"
            self.launcher = launchers.SimpleLauncher()
            self.script_dir: str | None = None
            self.resources: dict[str, Any] = {}
            self.given = 0
            self.over = False

        def submit(self, command: str, tasks_per_node: int, job_name: str = "block") -> str:
            self.given += 1
            return str(self.given)

        def status(self, job_ids: Sequence[Any]) -> list[Any]:
            state = states.JobState.CANCELLED if self.over else states.JobState.PENDING
            return [states.JobStatus(state) for _ in job_ids]

        def cancel(self, job_ids: Sequence[Any]) -> list[bool]:
            self.over = True
            return [True for _ in job_ids]

    return Ids()


def measure(system: System, n: int, idle: float) -> dict[str, float]:
    parsl = importlib.import_module(system.module)
    config = importlib.import_module(f"{system.module}.config")
    executors = importlib.import_module(f"{system.module}.executors")
    provider = provider_of(system.module, n)
    executor = executors.HighThroughputExecutor(
        label="bench", address="127.0.0.1", max_workers_per_node=1, provider=provider, encrypted=False
    )
    folder = tempfile.mkdtemp(prefix="blocks-")
    parsl.load(config.Config(executors=[executor], strategy="simple", run_dir=folder, initialize_logging=False))
    time.sleep(SETTLE)
    before = time.process_time(), cpu_of_all()
    executor.scale_out_facade(n)
    while provider.given < n:
        time.sleep(0.01)
    time.sleep(SETTLE)
    begun = time.process_time(), cpu_of_all()
    time.sleep(idle)
    ended = time.process_time(), cpu_of_all()
    alone = system.module == "parsl_on_dask"
    which = (
        0 if alone else 1
    )  # the script is what a user's login node sees; Parsl's work is shared with its interchange
    parsl.dfk().cleanup()
    parsl.clear()
    return {
        "ms_per_block": (begun[which] - before[which]) / n * 1000,
        "ms_per_idle_minute": (ended[which] - begun[which]) / idle * 60_000,
        "whole_ms_per_block": (begun[1] - before[1]) / n * 1000,
        "whole_ms_per_idle_minute": (ended[1] - begun[1]) / idle * 60_000,
    }


if __name__ == "__main__":
    main(measure, started=False)
