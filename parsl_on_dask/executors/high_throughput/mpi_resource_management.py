"""The nodes of a batch job, and handing them out to tasks, by Parsl's names.

:class:`~parsl_on_dask.executors.high_throughput.mpi_executor.MPIExecutor` hands nodes out in the submitting process
(:mod:`parsl_on_dask.lanes.mpi_lane`); what is here is for programs that use Parsl's classes on queues of their own.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import queue
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from parsl_on_dask.multiprocessing import SpawnContext
from parsl_on_dask.remote import nodes

logger = logging.getLogger("parsl.executors.high_throughput.mpi_resource_management")


class Scheduler(Enum):
    """Batch systems whose jobs tell their nodes. Those after PBS are this package's own."""

    Unknown = 0
    Slurm = 1
    PBS = 2
    Cobalt = 3
    GridEngine = 4
    LSF = 5
    OAR = 6


def get_slurm_hosts_list() -> list[str]:
    """The nodes of the Slurm job that this process is in."""
    return nodes.nodes_of("Slurm")


def get_pbs_hosts_list() -> list[str]:
    """The nodes that ``$PBS_NODEFILE`` lists, each once."""
    return nodes.nodes_of("PBS")


def get_nodes_in_batchjob(scheduler: Scheduler) -> list[str]:
    """The nodes of the batch job that this process is in, each once.

    Parameters
    ----------
    scheduler : Scheduler
        The batch system, as :func:`identify_scheduler` finds it.

    Raises
    ------
    RuntimeError
        For ``Scheduler.Unknown``.
    """
    if scheduler is Scheduler.Unknown:
        raise RuntimeError(
            "No batch system says which nodes there are: none of the variables "
            f"{', '.join([*nodes.LISTS, *(name for name, _ in nodes.FILES)])} is set"
        )
    return nodes.nodes_of(scheduler.name)


def identify_scheduler() -> Scheduler:
    """The batch system that this process is in a job of, by environment variables."""
    return Scheduler[nodes.batch_system() or "Unknown"]


class MPINodesUnavailable(Exception):
    """There are fewer free nodes than a task wants.

    Parameters
    ----------
    requested, available : int
        Numbers of nodes.
    """

    def __init__(self, requested: int, available: int) -> None:
        super().__init__(requested, available)
        self.requested = requested
        self.available = available

    def __str__(self) -> str:
        return f"MPINodesUnavailable(requested={self.requested} available={self.available})"


@dataclass(order=True)
class PrioritizedTask:
    """A task that waits; the lowest number goes first."""

    priority: int
    task: dict[str, Any] = field(compare=False)


class TaskScheduler:
    """Passes tasks and results on through two queues, without any order of its own.

    Parameters
    ----------
    pending_task_q, pending_result_q : queue
    """

    def __init__(self, pending_task_q: Any, pending_result_q: Any) -> None:
        self.pending_task_q = pending_task_q
        self.pending_result_q = pending_result_q

    def put_task(self, task: Any) -> None:
        """Let a task run."""
        self.pending_task_q.put(task)

    def get_result(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the next result; the arguments are those of a queue's ``get``."""
        return self.pending_result_q.get(block, timeout)


class MPITaskScheduler(TaskScheduler):
    """Gives tasks nodes of this batch job, and lets those wait for which there are not enough.

    A task is a dict with ``task_id`` and, in ``context``, a ``resource_spec``; that gets ``MPI_NODELIST``. A result is
    a pickled dict with ``type`` and ``task_id``.

    Parameters
    ----------
    pending_task_q, pending_result_q : queue

    Raises
    ------
    RuntimeError
        Outside of a batch job.
    """

    def __init__(self, pending_task_q: Any, pending_result_q: Any) -> None:
        super().__init__(pending_task_q, pending_result_q)
        self.scheduler = identify_scheduler()
        self.available_nodes = get_nodes_in_batchjob(self.scheduler)
        self.nodes_q: queue.Queue[str] = queue.Queue()
        for node in self.available_nodes:
            self.nodes_q.put(node)
        self._free_node_counter: Any = SpawnContext.Value("i", len(self.available_nodes))
        self._backlog_queue: queue.PriorityQueue[PrioritizedTask] = queue.PriorityQueue()
        self._map_tasks_to_nodes: dict[Any, list[str]] = {}

    def put_task(self, task: dict[str, Any]) -> None:
        """Let a task run, if there are nodes for it, or wait."""
        spec = task.get("context", {}).get("resource_spec", {})
        wanted = spec.get("num_nodes")
        if wanted:
            try:
                taken = self._get_nodes(int(wanted))
            except MPINodesUnavailable as e:
                logger.info("Task %s waits: %s", task["task_id"], e)
                self._backlog_queue.put(PrioritizedTask(int(wanted), task))
                return
            spec["MPI_NODELIST"] = ",".join(taken)
            self._map_tasks_to_nodes[task["task_id"]] = taken
        self.pending_task_q.put(task)

    def get_result(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the next result, after its nodes were given to tasks that wait."""
        result = self.pending_result_q.get(block, timeout)
        if result is not None:
            message = pickle.loads(result)
            if message["type"] == "result":
                self._return_nodes(self._map_tasks_to_nodes.pop(message["task_id"], []))
                self._schedule_backlog_tasks()
        return result

    def _get_nodes(self, num_nodes: int) -> list[str]:
        with self._free_node_counter.get_lock():
            if num_nodes > self._free_node_counter.value:
                raise MPINodesUnavailable(num_nodes, self._free_node_counter.value)
            self._free_node_counter.value -= num_nodes
            return [self.nodes_q.get() for _ in range(num_nodes)]

    def _return_nodes(self, nodes: list[str]) -> None:
        for node in nodes:
            self.nodes_q.put(node)
        with self._free_node_counter.get_lock():
            self._free_node_counter.value += len(nodes)

    def _schedule_backlog_tasks(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                waiting = self._backlog_queue.get(block=False)
                if waiting.priority > self._free_node_counter.value:
                    self._backlog_queue.put(waiting)
                    return  # the others want no less
                self.put_task(waiting.task)
