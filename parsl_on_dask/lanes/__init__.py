"""Ready calls become Dask tasks, and Dask tasks become outcomes.

A lane is the road to one cluster: :func:`open_lane` starts or joins the cluster that an executor
describes, and the lane then takes calls (:class:`~parsl_on_dask.lanes.call.Call`) and gives back, for each
of them, one :class:`~parsl_on_dask.lanes.call.Outcome`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from parsl_on_dask.errors import ConfigurationError

if TYPE_CHECKING:
    from parsl_on_dask.executors.lane_executor import LaneExecutor
    from parsl_on_dask.lanes.base import Lane


def open_lane(executor: LaneExecutor) -> Lane:
    """Start what an executor describes and return the lane to it.

    - `executor`: its ``kind`` says which lane it takes: ``threads``, ``processes`` or ``existing``.

    Raises ExecutorError when the cluster cannot be started or reached. Raises ConfigurationError when the command line
    says that everything runs in a place where it cannot.
    """
    from parsl_on_dask.common.overrides import cluster_override
    from parsl_on_dask.importing.afterwards import when_imported
    from parsl_on_dask.lanes.dask_noise import to_our_log

    when_imported("distributed", _meet_dask)
    to_our_log()
    override = cluster_override()
    mpi = getattr(executor, "enable_mpi_mode", False)
    if override is not None and executor.kind != "existing":
        if mpi:
            raise ConfigurationError(
                f"executor {executor.label!r} gives MPI programs the nodes of its own blocks, and {override} puts "
                "other workers in their place. Leave that option out"
            )
        from parsl_on_dask.clusters.existing import overridden

        executor = overridden(executor, override)
    described: Any = executor  # of the class that its kind stands for
    if executor.kind == "threads":
        from parsl_on_dask.lanes.threads import ThreadsLane

        return ThreadsLane(described)
    if mpi:
        from parsl_on_dask.lanes.mpi_lane import MpiLane

        return MpiLane(described)
    if getattr(executor, "by_resources", False):
        from parsl_on_dask.lanes.resource_lane import ResourceLane

        return ResourceLane(described)
    if not executor.batching:
        from parsl_on_dask.lanes.simple import SimpleLane

        return SimpleLane(executor)
    from parsl_on_dask.lanes.batches import BatchLane

    return BatchLane(executor)


def _meet_dask() -> None:
    """Have Dask's functions know our futures, and the threads that run calls."""
    from parsl_on_dask.dask_internals.functions import replace_what_is_gathered
    from parsl_on_dask.dask_internals.tasks import look_for_workers
    from parsl_on_dask.lanes.dask_futures import with_dask_futures
    from parsl_on_dask.lanes.in_process import worker_here

    replace_what_is_gathered(with_dask_futures)
    look_for_workers(worker_here)
