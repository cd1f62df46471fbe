"""Executors and apps that the tests of this folder share."""

from __future__ import annotations

import os
from typing import Any

from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import SlurmProvider


def provider(**options: Any) -> SlurmProvider:
    """Small jobs that share the virtual nodes, started with srun."""
    options.setdefault("partition", "debug")
    options.setdefault("exclusive", False)
    options.setdefault("cores_per_node", 2)
    options.setdefault("walltime", "00:10:00")
    options.setdefault("launcher", SrunLauncher())
    options.setdefault("cmd_timeout", 60)
    return SlurmProvider(**options)


def executor(label: str = "slurm", *, workers: int = 2, htex: dict[str, Any] | None = None, **options: Any) -> Any:
    """An executor as a Parsl user writes it; `options` go to its provider."""
    return HighThroughputExecutor(
        label=label,
        address="127.0.0.1",
        max_workers_per_node=workers,
        provider=options.pop("provider", None) or provider(**options),
        **(htex or {}),
    )


# ---------------------------------------------------------------- functions that run inside apps


def environment(*names: str) -> dict[str, str | None]:
    """These variables of the worker."""
    return {name: os.environ.get(name) for name in names}


def here(seconds: float = 0.0) -> tuple[str, str, int]:
    """Job, as squeue shows it, virtual node and process in which the call runs."""
    import time

    time.sleep(seconds)
    array, index = (os.environ.get(f"SLURM_ARRAY_{word}_ID") for word in ("JOB", "TASK"))
    return (
        f"{array}_{index}" if array else os.environ.get("SLURM_JOB_ID", ""),
        os.environ.get("SLURMD_NODENAME", ""),
        os.getpid(),
    )


def counted(directory: str, number: int, seconds: float = 0.0) -> int:
    """Leave a file for each time that the call begins, and for each time that it gets to its end."""
    import time
    import uuid

    mark = uuid.uuid4().hex
    open(os.path.join(directory, f"began-{number}-{mark}"), "w").close()
    time.sleep(seconds)
    open(os.path.join(directory, f"ended-{number}-{mark}"), "w").close()
    return number


def counts(directory: str, word: str) -> dict[int, int]:
    """How often each call of `counted` began, or ended."""
    found: dict[int, int] = {}
    for name in os.listdir(directory):
        kind, _, rest = name.partition("-")
        if kind == word:
            number = int(rest.split("-")[0])
            found[number] = found.get(number, 0) + 1
    return found
