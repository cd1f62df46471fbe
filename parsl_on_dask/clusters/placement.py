"""What each worker of a node gets: a name, a rank, cores, an accelerator, a log.

Where names and rules come from: Parsl's HighThroughputExecutor, so that apps which read these variables go on working.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.high_throughput.cpu_affinity import STRATEGIES, core_lists


def affinity_for(rank: int, count: int, cpu_affinity: str, cores: Sequence[int]) -> list[int] | None:
    """Return the cores that a worker is bound to, or None for no binding.

    - `rank`: the worker's number on its node, from 0.
    - `count`: how many workers the node has.
    - `cpu_affinity`: ``"none"``; ``"block"`` (neighbouring cores), ``"block-reverse"`` (the same from the last core
      down), ``"alternating"`` (every count-th core); or ``"list:"`` with the cores of each worker, separated by colons,
      each a comma-separated list of numbers and ranges.
    - `cores`: numbers of the cores that may be used.

    Raises ConfigurationError when there are more workers than cores to divide, or a list is not for ``count`` workers.

    Examples
    --------
    >>> affinity_for(1, 2, "block", range(4)), affinity_for(1, 2, "alternating", range(4))
    ([2, 3], [1, 3])
    >>> affinity_for(1, 2, "list:0-3:4-6,9", range(16))
    [4, 5, 6, 9]
    """
    strategy = cpu_affinity.lower()
    if strategy == "none":
        return None
    usable = sorted(cores)
    if strategy in STRATEGIES:
        share = len(usable) // count
        if share < 1:
            raise ConfigurationError(
                f"cpu_affinity={cpu_affinity!r}: {count} workers cannot divide {len(usable)} cores among them. "
                f"Write max_workers_per_node={len(usable)} or less, or cpu_affinity='none'."
            )
        if strategy == "alternating":
            return usable[rank::count]
        place = rank if strategy == "block" else count - 1 - rank
        return usable[share * place : share * (place + 1)]
    try:
        lists = core_lists(cpu_affinity)
    except ValueError as error:
        raise ConfigurationError(f"cpu_affinity={cpu_affinity!r}: {error}") from None
    if len(lists) != count:
        raise ConfigurationError(
            f"cpu_affinity={cpu_affinity!r} names the cores of {len(lists)} workers, but the node has {count}. "
            f"Write one list for each worker, or max_workers_per_node={len(lists)}."
        )
    return lists[rank]


def worker_environment(
    rank: int,
    count: int,
    accelerators: Sequence[str] = (),
    *,
    pool_id: str = "",
    block_id: str = "",
    cores: Sequence[int] | None = None,
    cuda_devices: int | None = None,
) -> dict[str, str]:
    """Return the environment variables that tell a worker who it is and what it may use.

    - `rank`: the worker's number on its node, from 0.
    - `count`: how many workers the node has.
    - `accelerators`: names of the node's accelerators; the worker gets the one of its rank.
    - `pool_id`, `block_id`: the node's part of the block, and the block.
    - `cores`: the cores that the worker is bound to, from :func:`affinity_for`; sets the OpenMP variables.
    - `cuda_devices`: how many CUDA devices the node has, from :func:`count_cuda_devices`. Accelerators with more names
      than that share the devices.

    Examples
    --------
    >>> worker_environment(1, 2, ["0", "1"], block_id="0")["CUDA_VISIBLE_DEVICES"]
    '1'
    >>> worker_environment(3, 4, ["0", "1", "2", "3"], cuda_devices=2)["CUDA_VISIBLE_DEVICES"]
    '1'
    >>> worker_environment(0, 1, cores=[4, 5])["OMP_NUM_THREADS"]
    '2'
    """
    environment = {
        "PARSL_WORKER_RANK": str(rank),
        "PARSL_WORKER_COUNT": str(count),
        "PARSL_WORKER_POOL_ID": pool_id,
        "PARSL_WORKER_BLOCK_ID": block_id,
    }
    if cores is not None:
        listed = ",".join(map(str, cores))
        environment["OMP_NUM_THREADS"] = str(len(cores))
        environment["GOMP_CPU_AFFINITY"] = listed
        environment["KMP_AFFINITY"] = f"explicit,proclist=[{listed}]"
    if rank < len(accelerators):
        accelerator = accelerators[rank]
        environment["CUDA_VISIBLE_DEVICES"] = _shared_cuda_device(accelerator, count, cuda_devices)
        environment["ROCR_VISIBLE_DEVICES"] = accelerator
        environment["ZE_AFFINITY_MASK"] = accelerator
        environment["ZE_ENABLE_PCI_ID_DEVICE_ORDER"] = "1"
    return environment


def _shared_cuda_device(accelerator: str, count: int, cuda_devices: int | None) -> str:
    if not cuda_devices or count < cuda_devices or not accelerator.isdigit():
        return accelerator
    return str(int(accelerator) // (count // cuda_devices))


def count_cuda_devices() -> int | None:
    """Return how many CUDA devices this machine has, as ``nvidia-smi`` lists them; None without it."""
    if shutil.which("nvidia-smi") is None:
        return None
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return len(listed.splitlines())


def usable_cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def describe_workers(
    spec: Mapping[str, Any], count: int, *, prefix: str, pool_id: str, logs: str
) -> list[dict[str, Any]]:
    """Return the settings of each worker of a node.

    - `spec`: ``block``, ``accelerators``, ``cpu_affinity`` and ``worker_debug``.
    - `count`: how many workers the node has.
    - `prefix`: what their names have in front of their ranks.
    - `pool_id`: names the node's part of the block.
    - `logs`: directory of their logs.
    """
    cores = usable_cores()
    devices = count_cuda_devices() if spec["accelerators"] else None
    made = []
    for rank in range(count):
        affinity = affinity_for(rank, count, spec["cpu_affinity"], cores)
        identity = {"pool_id": pool_id, "block_id": spec["block"]}
        made.append(
            {
                "name": f"{prefix}-{rank}",
                "env": worker_environment(
                    rank, count, spec["accelerators"], **identity, cores=affinity, cuda_devices=devices
                ),
                "affinity": affinity,
                "log": os.path.join(logs, f"worker_{rank}.log"),
                "debug": bool(spec["worker_debug"]),
                "resources": None,
            }
        )
    return made
