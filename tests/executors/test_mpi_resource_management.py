"""Programs that hand out the nodes of their batch job by Parsl's classes."""

from __future__ import annotations

import pickle
import queue
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.executors.high_throughput import mpi_resource_management as management
from parsl_on_dask.executors.high_throughput.mpi_resource_management import MPINodesUnavailable, MPITaskScheduler


class Counter:
    def __init__(self, kind: str, value: int) -> None:
        self.value, self._lock = value, threading.Lock()

    def get_lock(self) -> threading.Lock:
        return self._lock


class Program:
    """Tasks on four nodes."""

    def __init__(self) -> None:
        self.started: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.scheduler = MPITaskScheduler(self.started, self.results)

    def wants(self, task: str, nodes: int | None) -> None:
        spec = {} if nodes is None else {"num_nodes": nodes}
        self.scheduler.put_task({"task_id": task, "context": {"resource_spec": spec}})

    def running(self) -> dict[str, str]:
        """Nodes of the tasks that were started since the last time."""
        found = {}
        while not self.started.empty():
            task = self.started.get()
            found[task["task_id"]] = task["context"]["resource_spec"].get("MPI_NODELIST", "")
        return found

    def says(self, kind: str, task: str) -> Any:
        self.results.put(pickle.dumps({"type": kind, "task_id": task}))
        return pickle.loads(self.scheduler.get_result())


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    # counters that processes share have a process which looks after them, for as long as this one runs
    monkeypatch.setattr(management, "SpawnContext", SimpleNamespace(Value=Counter))
    monkeypatch.setenv("PATH", "/nowhere")  # without scontrol
    monkeypatch.setenv("SLURM_JOB_NODELIST", "n[1-4]")
    return Program()


def test_tasks_wait_for_nodes_the_smallest_first(program: Program) -> None:
    program.wants("three", 3)
    program.wants("all", 4)
    program.wants("two", 2)
    program.wants("none", None)
    assert program.running() == {"three": "n1,n2,n3", "none": ""}
    assert program.says("heartbeat", "three")["type"] == "heartbeat"
    assert program.running() == {}, "it still has its nodes"
    program.says("result", "three")
    assert program.running() == {"two": "n4,n1"}
    program.says("result", "none")
    assert program.running() == {}
    program.says("result", "two")
    assert program.running() == {"all": "n2,n3,n4,n1"}


def test_nothing_is_waited_for_that_is_not_there(program: Program) -> None:
    with pytest.raises(queue.Empty):
        program.scheduler.get_result(block=False)
    program.results.put(None)
    assert program.scheduler.get_result(timeout=1) is None
    assert str(MPINodesUnavailable(5, 4)) == "MPINodesUnavailable(requested=5 available=4)"
