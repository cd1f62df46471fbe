"""What the executors of this package share: they describe a cluster, and a lane runs the calls."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ClassVar

from parsl_on_dask.common import interrupts
from parsl_on_dask.common.arguments import need, need_label, need_number, wrong_type
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.executors.old_names import read_or_called
from parsl_on_dask.executors.parts import Lane
from parsl_on_dask.executors.specifications import MEGABYTE, refuse_keys
from parsl_on_dask.importing.lazily import by_name
from parsl_on_dask.jobs.states import JobStatus
from parsl_on_dask.old_spellings.legacy import warn_once
from parsl_on_dask.remote.memory import MemoryLimited
from parsl_on_dask.utils import AtomicIDCounter

if TYPE_CHECKING:
    from parsl_on_dask.jobs.node_hours import NodeHours


_SETTINGS = (
    "working_dir",
    "storage_access",
    "remote_monitoring_radio",
    "batching",
    "max_batch",
    "in_flight",
    "inline_limit",
    "job_end_reruns",
    "memory_limit",
    "linger",
)


class LaneExecutor(ParslExecutor):
    """Base of :class:`ThreadPoolExecutor`, :class:`HighThroughputExecutor` and :class:`DaskExecutor`.

    An executor can be started again after it was shut down, and pickled: what belongs to a run stays behind.

    Attributes
    ----------
    kind : str
        Which kind of cluster it describes: ``"threads"``, ``"processes"`` or ``"existing"``.
    batching : bool, default True
        Whether several short calls may travel as one Dask task, and calls be sent after those that they wait for. A
        Dask task costs a millisecond or two, whatever it does. False makes each call a Dask task of its own, which Dask
        gives to a worker of its choice (``docs/simple-lane.md``). That is for apps that must see a fresh Dask task each
        time, and for finding out whether batching is to blame for something. False does not go with MPI, with resources
        of each call, ``manager_selector``, ``drain_period`` and ``job_end_reruns``, by which this package chooses the
        worker; ``max_batch`` then means nothing.
    max_batch : int, default 512
        The most calls that go to a worker together. More gain nothing that can be measured, and a worker that dies
        takes along what it has not begun, which then has to be sent again.
    in_flight : int or None, default None
        The most calls that are with Dask at a time. The others wait in this process, a kilobyte each. None: about 0.1 s
        of work for each worker, so that none is idle, and the scheduler has a few Dask tasks a worker to look after
        however many calls there are. A small number spreads calls of very different lengths more evenly.
    inline_limit : int, default 65536
        Bytes up to which a result comes back with its report. A larger one stays on its worker until it is asked for,
        which spares the way through this process and costs a Dask task.
    job_end_reruns : int, default 10
        How often a call that was cut off by the end of its worker's batch job runs again on another worker without
        that being a retry. After that it fails with ``WorkerLost``, and ``retries`` decide. 0: it fails at once.

    memory_limit : float or None, default None
        Megabytes (of 2**20 bytes) that a worker may have while it runs a call, together with the processes that the
        call starts. A worker that has more is ended and replaced, and the call fails with ``MemoryLimitExceeded``. A
        call can be given less by ``memory`` of its ``parsl_resource_specification``. Workers are looked at four times a
        second. None: no limit. It needs workers that this package starts.

    Threads share objects with the script, so there these settings mean nothing.
    """

    kind: str
    #: Whether ``memory`` of a resource specification is a limit of this package's, and not a wish for the worker.
    limits_memory = False

    batching: bool = True
    max_batch: int = 512
    in_flight: int | None = None
    inline_limit: int = 65536
    job_end_reruns: int = 10
    memory_limit: float | None = None
    linger: float | None = None

    working_dir: str | None = None
    storage_access: list[Any] | None = None

    #: The process that keeps it for the kernel which is about to start it, a ``ResidentClient``; or None.
    resident: Any = None
    _lane: Lane | None = None
    _ending: Lane | None = None
    _stand_in: LaneExecutor | None = None  # which runs the calls, where the command line says so
    _last_status: dict[str, JobStatus]
    _last_hours: NodeHours | None
    _tasks: dict[object, Future[Any]]
    _task_ids: AtomicIDCounter
    _of_a_run: ClassVar[frozenset[str]] = frozenset(
        {
            "resident",
            "_lane",
            "_ending",
            "_stand_in",
            "_last_status",
            "_last_hours",
            "_tasks",
            "_task_ids",
            "_block_ids",
            "_first_blocks",
            "_executor_bad_state",
            "_executor_exception",
            "monitoring_messages",
            "monitoring_receiver",
        }
    )

    def _describe(self, arguments: Mapping[str, Any]) -> None:
        """Keep those arguments that all executors have, of all that a constructor got."""
        for name in ("label", *_SETTINGS):
            if name in arguments:
                setattr(self, name, arguments[name])
        self._forget_run()

    def _forget_run(self) -> None:
        self._last_status = {}
        self._last_hours = None
        self._tasks = {}
        self._task_ids = AtomicIDCounter()
        super_forget = getattr(super(), "_forget_run", None)
        if super_forget is not None:
            super_forget()

    def validate(self) -> None:
        """Check all arguments, including those that were set after construction.

        Raises
        ------
        ConfigurationError
            Naming the argument and what to write instead.
        """
        owner = type(self).__name__
        need_label(owner, self.label)
        need(owner, "working_dir", self.working_dir, str, os.PathLike, type(None), hint="Write a path.")
        need(owner, "storage_access", self.storage_access, list, type(None), hint="Write a list of staging providers.")
        for provider in self.storage_access or ():
            if isinstance(provider, type) or not callable(getattr(provider, "can_stage_in", None)):
                name = provider.__name__ if isinstance(provider, type) else "HTTPInTaskStaging"
                hint = f"Write for example storage_access=[{name}()]."
                raise wrong_type(owner, "storage_access", provider, "a list of Staging objects", hint)
        need(owner, "batching", self.batching, bool)
        need_number(owner, "max_batch", self.max_batch, at_least=1, example="512")
        need_number(owner, "in_flight", self.in_flight, at_least=1, optional=True, example="4096")
        need_number(owner, "inline_limit", self.inline_limit, at_least=0, example="65536")
        need_number(owner, "job_end_reruns", self.job_end_reruns, at_least=0, example="10")
        need_number(owner, "memory_limit", self.memory_limit, kind=float, at_least=1, optional=True, example="4000")
        need_number(owner, "linger", self.linger, kind=float, at_least=0, optional=True, example="1800")

    @property
    def lane(self) -> Lane | None:
        """The road to the running cluster; None before start() and after shutdown()."""
        return self._lane

    def start(self) -> None:
        """Start, or join, the cluster that this executor describes.

        Raises
        ------
        ConfigurationError
            When an argument that was set after construction cannot be used.
        ExecutorError
            When the cluster cannot be had, or this executor runs already.
        """
        if self._lane is not None and self._lane is not self._ending:
            raise ExecutorError(
                self,
                "it runs already, for another kernel or by an earlier start(). Call shutdown() first, "
                "or give each Config executors of its own",
            )
        self.validate()
        self._forget_run()
        kept = (self.resident,) if self.resident is not None else ()
        self._lane = by_name("linger.lane:KeptLane" if kept else "lanes:open_lane")(self, *kept)

    def submit(
        self, func: Callable[..., Any], resource_specification: Mapping[str, Any] | None, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Run ``func(*args, **kwargs)`` and return a future for its outcome.

        Raises
        ------
        InvalidResourceSpecification
            When ``resource_specification`` has keys or values that this executor does not take.
        ExecutorError
            When the executor is not started.
        """
        self.validate_resource_spec(resource_specification)
        refusal = self.refusal()
        if refusal is not None:
            raise refusal
        if self._lane is None:
            raise ExecutorError(self, "it is not started: call start(), or load a Config that has it")
        func, specification = self.with_limits(func, resource_specification or {})
        future = self._lane.submit_call(func, specification, args, kwargs)
        number = self._next_number()
        future.parsl_executor_task_id = number  # type: ignore[attr-defined]
        self._tasks[number] = future
        future.add_done_callback(lambda _: self._tasks.pop(number, None))
        return future

    def with_limits(
        self, func: Callable[..., Any], specification: Mapping[str, Any]
    ) -> tuple[Callable[..., Any], Mapping[str, Any]]:
        if not self.limits_memory or "memory" not in specification:
            return func, specification
        rest = {name: value for name, value in specification.items() if name != "memory"}
        return MemoryLimited(func, int(specification["memory"] * MEGABYTE)), rest

    def _next_number(self) -> int:
        return self._task_ids.get_id() + 1

    def number_of_task(self) -> int | None:
        """Return a number for a task that is handed over, for the log: 1, 2, ...; None where Parsl has none."""
        return None if self.kind == "threads" else self._next_number()

    def shutdown(self) -> None:
        """End what :meth:`start` started; calls that are not done fail. Quiet when nothing is started."""
        self._close(wait=False)

    def _close(self, wait: bool) -> None:
        lane = self._lane
        if lane is not None:
            self._ending = lane
            with interrupts.deferred():
                lane.close(wait)  # which may still have calls to make ready, and these look for it here
            self._last_status, self._last_hours = dict(lane.status()), lane.node_hours()
            if self._lane is lane:
                self._lane = None
            self._ending = None
        super().shutdown()

    def refusal(self) -> Exception | None:
        """Why no more calls are taken, or None."""
        return None if self._stand_in is None else self._stand_in.refusal()

    def validate_resource_spec(self, resource_specification: Mapping[str, Any] | None) -> None:
        """Raise :class:`InvalidResourceSpecification` for what this executor does not take; here: anything."""
        refuse_keys(self, resource_specification, ())

    @read_or_called
    def outstanding(self) -> int:
        """Return the number of calls that wait or run."""
        return 0 if self._lane is None else self._lane.outstanding()

    @property
    def tasks(self) -> dict[object, Future[Any]]:
        """Futures of the calls given to :meth:`submit` that are not done, by number."""
        return self._tasks

    def status(self) -> dict[str, JobStatus]:
        """Return the states of all blocks so far, by block id."""
        return dict(self._last_status if self._lane is None else self._lane.status())

    def node_hours(self) -> NodeHours | None:
        """Return what the blocks of this executor, or of its last run, asked for and used.

        ``print`` shows it as a table. Not in Parsl.

        Returns
        -------
        NodeHours or None
            None where the workers are not blocks of nodes that a provider gave: threads, processes of this machine,
            a cluster that exists.

        Examples
        --------
        >>> from parsl_on_dask.executors import ThreadPoolExecutor
        >>> ThreadPoolExecutor().node_hours() is None
        True
        """
        return self._last_hours if self._lane is None else self._lane.node_hours()

    def connected_blocks(self) -> list[str]:
        """Return the ids of the blocks that have workers."""
        return list(dict.fromkeys(m["block_id"] for m in self.connected_managers() if m["block_id"] is not None))

    @read_or_called
    def connected_managers(self) -> list[dict[str, Any]]:
        """Return a description of each node that has workers.

        Returns
        -------
        list of dict
            ``manager`` (its name), ``block_id``, ``hostname``, ``worker_count`` (on this machine: also those that
            are still starting), ``tasks`` (running on it),
            ``idle_duration`` (seconds; 0 where it is not known), ``active``, ``draining``.
        """
        if self._lane is None:
            return []
        nodes: dict[tuple[str | None, str], dict[str, Any]] = {}
        together: dict[tuple[str | None, str], int] = {}
        for worker in self._lane.workers():
            block, host = worker["block"], _host_name(worker["host"])
            part = worker.get("node") or host
            node = nodes.setdefault(
                (block, part),
                {
                    "manager": manager_of(worker),
                    "block_id": block,
                    "hostname": host,
                    "worker_count": 0,
                    "tasks": 0,
                    "idle_duration": float("inf"),
                    "active": True,
                    "draining": False,
                },
            )
            node["worker_count"] += worker["nthreads"]
            together[block, part] = worker.get("together", 0)
            node["tasks"] += worker.get("tasks", 0)
            node["draining"] = node["draining"] or worker.get("draining", False)
            node["idle_duration"] = min(node["idle_duration"], worker.get("idle", 0.0))
        for place, node in nodes.items():
            # programs that wait for the first manager take its number of workers for all that will be there
            node["worker_count"] = max(node["worker_count"], together[place])
        return list(nodes.values())

    def scale_out_facade(self, n: int) -> list[str]:
        """Ask for ``n`` more blocks, and return the ids of those that were asked for."""
        return [] if self._lane is None else self._lane.scale_out(n)

    def scale_in(
        self,
        blocks: int | None = None,
        max_idletime: float | None = None,
        *,
        block_ids: Sequence[str] = (),
        force: bool | None = None,
    ) -> list[str]:
        """Give up to ``blocks`` blocks back, and return their ids.

        Parameters
        ----------
        blocks : int
        max_idletime : float, optional
            Seconds: take only blocks that run nothing and have been idle for longer. Default: any block.
        block_ids : sequence of str
            Which blocks, in the place of how many. Parsl's executors took it until 2024.
        force : bool, optional
            False: take only blocks that run nothing. Parsl's executors took it until 2024.
        """
        if force is not None:
            warn_once("executor.scale_in.force", "scale_in(force=False) is now scale_in(blocks, max_idletime=0).")
            max_idletime = 0.0 if not force and max_idletime is None else max_idletime
        if blocks is None and not block_ids:
            raise TypeError("scale_in(): blocks, the number of blocks to give back, is missing.")
        if self._lane is None:
            return []
        if block_ids:
            warn_once("executor.scale_in.block_ids", "scale_in(block_ids=) is now scale_in(blocks), with a number.")
            return self._lane.scale_in(len(block_ids), set(block_ids))
        assert blocks is not None
        if max_idletime is not None:
            managers = self.connected_managers()
            busy = {m["block_id"] for m in managers if m["tasks"] or m["idle_duration"] <= max_idletime}
            idle = {m["block_id"] for m in managers} - busy
            return self._lane.scale_in(min(blocks, len(idle)), idle) if blocks > 0 and idle else []
        return self._lane.scale_in(blocks) if blocks > 0 else []

    def scale_in_facade(self, n: int, max_idletime: float | None = None) -> list[str]:
        """The same as :meth:`scale_in`, under the name by which Parsl's strategies call it."""
        return self.scale_in(n, max_idletime)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in self._of_a_run}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_run()


def manager_of(worker: Mapping[str, Any]) -> str:
    """Name of the manager that a worker belongs to: all workers of a block on a node."""
    host = _host_name(worker["host"])
    return host if worker["block"] is None else f"block-{worker['block']}@{worker.get('node') or host}"


def _host_name(host: str) -> str:
    """The host's name for people; workers on this machine are known by its loopback address."""
    return socket.gethostname() if host in ("127.0.0.1", "::1", "localhost") else host
