"""Local processes where there is no ``fork``: Windows."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters import dashboard
from parsl_on_dask.clusters.base import Cluster, connected
from parsl_on_dask.clusters.roster import announcer
from parsl_on_dask.errors import ConfigurationError, ExecutorError

if TYPE_CHECKING:
    from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor


GUARD = (
    "on this system local processes are spawned, and each runs the script's own file once more: put what the script "
    "does below  if __name__ == '__main__':  (functions and apps stay above it)"
)


class SpawnedCluster(Cluster):
    """Dask's own LocalCluster, one block of it.

    - `executor`: its workers are named by rank only; ``worker_init``, ``python`` and ``cpu_affinity`` are refused, as
      the processes are started by Dask.

    Raises ConfigurationError when an argument asks for what a shell or an affinity mask would have to do. Raises
    ExecutorError when the processes do not come up.
    """

    started_here = True
    parsl_page = True

    def __init__(self, executor: HighThroughputExecutor) -> None:
        import dask
        from distributed import LocalCluster as DaskLocalCluster
        from distributed.security import Security

        from parsl_on_dask.clusters.supervisor import DASK_CONFIG

        super().__init__(executor)
        if getattr(executor.provider, "worker_init", "") or executor.python or executor.cpu_affinity != "none":
            raise ConfigurationError(
                f"executor {executor.label!r}: worker_init=, python= and cpu_affinity= need a system with fork and "
                "bash. Leave them out, or start 'dask worker' yourself and use DaskExecutor(address=...)"
            )
        warnings.warn(f"executor {executor.label!r}: {GUARD}", stacklevel=2)
        count = executor.workers_per_node_for(os.cpu_count() or 1)
        security = Security.temporary() if executor.encrypted else None
        try:
            with dask.config.set(dict(flat(DASK_CONFIG))):
                self.cluster: Any = DaskLocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address="127.0.0.1:0",
                    scheduler_kwargs={"dashboard": False, "plugins": [announcer()]},
                    security=security,
                    memory_limit=0,
                )
        except Exception as e:
            raise ExecutorError(executor, f"its processes did not start ({e}): {GUARD}") from e
        dashboard.attach(self.cluster.scheduler)
        self.count = int(count)
        self.client = connected(executor.label, self.cluster)
        self.roster.begin(self.client)

    def slots_per_block(self) -> int:
        return self.count

    def block_of(self, worker: str) -> str | None:
        return "0"

    def status(self) -> dict[str, Any]:
        from parsl_on_dask.jobs.states import JobState, JobStatus

        return {"0": JobStatus(JobState.RUNNING)}

    def close(self) -> None:
        self.client.close(timeout=5)
        self.cluster.close(timeout=10)


def flat(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The settings of a nested configuration by dotted name, so that setting them leaves their neighbours alone.

    Examples
    --------
    >>> dict(flat({"a": {"b": 1, "c": {"d": 2}}}))
    {'a.b': 1, 'a.c.d': 2}
    """
    for key, value in config.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
