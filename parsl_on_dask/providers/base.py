"""The interface of providers: where blocks of workers come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from parsl_on_dask.jobs.states import JobStatus
from parsl_on_dask.old_spellings.legacy import moved


class ExecutionProvider(ABC):
    """Abstract base of providers; subclass it to bring one of your own.

    A provider submits a shell command as a job, and asks after and cancels jobs. The behaviour is that of
    Parsl's ``parsl.providers.base``.

    Attributes
    ----------
    nodes_per_block : int
        Nodes of one job.
    init_blocks, min_blocks, max_blocks : int
        How many blocks there are at the start, at the least when idle, and at the most.
    parallelism : float
        Worker slots wanted for each waiting task: 1 for as many as there are tasks, towards 0 for few.
    script_dir : str or None
        Directory for submit scripts; the kernel sets it.
    resources : dict
        The jobs so far, by job id.
    cores_per_node : int or None
        Cores of a node, when the provider asks the scheduler for a number of them.
    mem_per_node : float or None
        Memory of a node in GB, when the provider asks the scheduler for it.
    """

    # Defaults, so that a subclass need not call this constructor.
    nodes_per_block: int = 1
    init_blocks: int = 1
    min_blocks: int = 0
    max_blocks: int = 1
    parallelism: float = 1
    script_dir: str | None = None
    resources: dict[Any, Any]
    cores_per_node: int | None = None
    mem_per_node: float | None = None

    @abstractmethod
    def __init__(self) -> None:
        self.resources = {}

    @abstractmethod
    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.auto") -> object:
        """Submit a job that runs ``command``, and return its id.

        Parameters
        ----------
        command : str
            Shell text that starts the workers of one node.
        tasks_per_node : int
            How many copies of it a node runs.
        job_name : str
            Name for people.

        Raises
        ------
        ExecutionProviderException
            When there will be no job.
        """

    @abstractmethod
    def status(self, job_ids: Sequence[Any]) -> Sequence[JobStatus]:
        """Return the states of jobs, in the order of their ids."""

    @abstractmethod
    def cancel(self, job_ids: Sequence[Any]) -> Sequence[bool]:
        """Cancel jobs; returns for each of them whether it is, or will be, gone."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Name of the kind of provider."""

    @property
    @abstractmethod
    def status_polling_interval(self) -> int:
        """Seconds between two questions after the states of jobs."""


__getattr__ = moved(
    __name__,
    {
        "JobState": "jobs.states:JobState",
        "TERMINAL_STATES": "jobs.states:TERMINAL_STATES",
        "Channeled": "channels.base:Channeled",
        "MultiChanneled": "channels.base:MultiChanneled",
    },
)


def slots_of(provider: Any) -> int | None:
    """Cores of a node for workers, as a provider's arguments or the site's settings say; None when neither does."""
    cores: int | None = getattr(provider, "node_slots", None) or getattr(provider, "cores_per_node", None)
    return cores
