"""Takes an executor's place when the command line says that everything runs in jobs of a batch system."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.common.overrides import ClusterOverride
from parsl_on_dask.executors.dask import DaskExecutor
from parsl_on_dask.executors.errors import BadStateException
from parsl_on_dask.executors.status_handling import BlockProviderExecutor
from parsl_on_dask.providers.local_provider import LocalProvider

#: What shapes the workers of a node; threads have none of it.
_WORKERS = (
    "max_workers_per_node",
    "cores_per_worker",
    "mem_per_worker",
    "cpu_affinity",
    "available_accelerators",
    "drain_period",
    "worker_logdir_root",
    "worker_debug",
    "block_error_handler",
    "encrypted",
)
_NUMBERS = ("init_blocks", "min_blocks", "max_blocks", "parallelism")
#: What says how a job is, where the script was written for a batch system already.
_JOBS = ("nodes_per_block", "walltime", "launcher", "worker_init", "cores_per_node", "mem_per_node")


class StandIn(DaskExecutor):
    """A :class:`DaskExecutor` that runs the calls of another executor.

    - `executor`: whose place it takes. Shape and number of its blocks are kept; threads become as many workers a node.
    - `override`: with ``jobqueue``.
    """

    def __init__(self, executor: Any, override: ClusterOverride) -> None:
        super().__init__(
            label=executor.label,
            jobqueue=override.jobqueue,
            config_name=override.config_name,
            batching=executor.batching,
            max_batch=executor.max_batch,
            in_flight=executor.in_flight,
            inline_limit=executor.inline_limit,
            **_workers(executor),
            **_blocks(executor, override.max_blocks),
        )
        self.executor = executor
        executor._stand_in = self

    def set_bad_state_and_fail_all(self, exception: Exception) -> None:
        super().set_bad_state_and_fail_all(exception)
        if isinstance(self.executor, BlockProviderExecutor):
            self.executor.set_bad_state_and_fail_all(exception)
            return
        lane = self.executor.lane
        if lane is not None:
            lane.lost = BadStateException(self.executor, exception)  # what calls that are not done fail with
        self.executor._close(wait=False)


def _workers(executor: Any) -> dict[str, Any]:
    if executor.kind == "threads":
        return {"max_workers_per_node": executor.workers_per_node}
    return {name: getattr(executor, name) for name in _WORKERS}


def _blocks(executor: Any, max_blocks: int | None) -> dict[str, Any]:
    provider = getattr(executor, "provider", None)
    if provider is None:
        return {} if max_blocks is None else {"max_blocks": max_blocks}
    settings = {name: getattr(provider, name) for name in _NUMBERS}
    if max_blocks is not None:
        settings["max_blocks"] = max_blocks
        for name in ("init_blocks", "min_blocks"):
            settings[name] = min(settings[name], max_blocks)
    kept = ("worker_init",) if isinstance(provider, LocalProvider) else _JOBS
    for name in kept:
        value = getattr(provider, name, None) if name != "walltime" else _walltime(provider)
        if value:
            settings[name] = value
    return settings


def _walltime(provider: Any) -> Any:
    """The walltime that somebody wrote: a default of Parsl's would cut the site's."""
    return getattr(provider, "own_walltime" if hasattr(provider, "own_walltime") else "walltime", None)
