"""Apps in worker processes, in blocks that a provider gives."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from parsl_on_dask.common.arguments import need, need_number, passed_on, short, wrong_type
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.errors import BadStateException, InvalidResourceSpecification
from parsl_on_dask.executors.high_throughput import launch_command
from parsl_on_dask.executors.high_throughput.checks import check_arguments, check_provider, note_transport
from parsl_on_dask.executors.high_throughput.direct import DirectUse
from parsl_on_dask.executors.high_throughput.legacy import removed_arguments
from parsl_on_dask.executors.high_throughput.manager_selector import ManagerSelector, RandomManagerSelector
from parsl_on_dask.executors.high_throughput.mpi_prefix_composer import validate_resource_spec
from parsl_on_dask.executors.old_names import read_or_called
from parsl_on_dask.executors.specifications import check_memory, refuse_keys, room
from parsl_on_dask.executors.status_handling import BlockErrorHandler, BlockProviderExecutor
from parsl_on_dask.launchers.launchers import SimpleLauncher
from parsl_on_dask.old_spellings.dialect import old_defaults
from parsl_on_dask.old_spellings.legacy import warn_once
from parsl_on_dask.providers.base import ExecutionProvider, slots_of
from parsl_on_dask.providers.local_provider import LocalProvider
from parsl_on_dask.usage_tracking.api import UsageInformation
from parsl_on_dask.utils import RepresentationMixin

logger = logging.getLogger("parsl.executors.high_throughput.executor")


class HighThroughputExecutor(DirectUse, BlockProviderExecutor, RepresentationMixin, UsageInformation):
    """Runs apps in worker processes, on blocks of nodes from a provider.

    On each node of a block there are as many workers as its cores, memory and accelerators have room for, see
    :meth:`workers_per_node_for`. The behaviour is that of Parsl's ``parsl.executors.high_throughput``; the
    workers are Dask workers.

    Parameters
    ----------
    label : str
        Name of the executor in its Config.
    provider : ExecutionProvider, optional
        Where blocks come from. Default ``LocalProvider()``.
    address : str, optional
        Address of this machine that workers connect to, for example ``address_by_interface("ib0")``. Default: each node
        tries all that this machine has. With a loopback address nothing can be reached from other machines.
    worker_port, worker_port_range : int, (int, int), optional
        Port, or range of ports, that workers connect to.
    storage_access : list of Staging, optional
        How files get to the apps. Default: the usual ways; an empty list: none.
    working_dir : str, optional
        Where staged files go; apps do not start there.
    worker_debug : bool
        Let workers log at debug level. Default False.
    cores_per_worker : float
        Cores for each worker, below 1 to share them. Default 1.
    mem_per_worker : float, optional
        GB of memory for each worker.
    max_workers_per_node : int, optional
        The largest number of workers on a node.
    cpu_affinity : str
        ``"none"`` (default), ``"block"``, ``"block-reverse"``, ``"alternating"`` or ``"list:0-3:4-7"``, see
        :func:`~parsl_on_dask.clusters.placement.affinity_for`.
    available_accelerators : int or sequence of str
        How many accelerators a node has, or their names. Each worker gets one, and there are no more workers.
    drain_period : int, optional
        Seconds after its start at which a block takes no more tasks.
    worker_logdir_root : str, optional
        Directory for workers' logs. Default: the run directory.
    block_error_handler : bool or callable
        See :class:`~parsl_on_dask.executors.status_handling.BlockProviderExecutor`. Default True.
    encrypted : bool
        Use TLS with certificates that are made for the run. Default True.
    remote_monitoring_radio : optional
        How apps report to monitoring, when there is any.
    interchange_launch_cmd, loopback_address, interchange_port_range, prefetch_capacity, heartbeat_threshold, \
heartbeat_period, poll_period, address_probe_timeout
        They control Parsl's own transport: accepted, kept and shown, without effect on Dask.
    manager_selector : ManagerSelector
        Which of the nodes that have a free worker gets the next Dask task. Default: Dask chooses.
    scheduler_in_job : bool
        Run the Dask scheduler on the first node of the first block instead of on this machine, for sites whose login
        nodes forbid such processes. Loading then waits until that block runs, and the end of that block is the end of
        the executor. Default False. Not in Parsl.
    python : str, optional
        The Python of the workers: a path, or a command such as ``"apptainer exec image.sif python"``. It needs the
        script's minor version, and distributed. Default: what ``worker_init`` activates, else the script's. This
        package's own.
    launch_cmd : str, optional
        What is in front of ``process_worker_pool.py`` in it, shell text that prepares an environment or a command that
        wraps another one, goes in front of what starts on each node. Paths of that program and of its Python, and its
        options, mean nothing here; another program is refused. Default: Parsl's own text, without anything in front.
    max_workers, worker_ports, managed, start_method, suppress_failure, enable_mpi_mode, mpi_launcher
        Of earlier releases of Parsl: accepted where they have a meaning, and reported once. ``enable_mpi_mode=True``
        makes it an :class:`~parsl_on_dask.executors.high_throughput.mpi_executor.MPIExecutor`.
    batching, max_batch, in_flight, inline_limit, job_end_reruns, memory_limit, linger
        See :class:`~parsl_on_dask.executors.lane_executor.LaneExecutor`.

    Raises
    ------
    ConfigurationError
        When an argument cannot be used.

    Examples
    --------
    >>> executor = HighThroughputExecutor(max_workers_per_node=8, cores_per_worker=2)
    >>> executor.workers_per_node_for(cores=6)
    3
    """

    kind: str = "processes"
    _legacy_arguments = frozenset(
        {
            "max_workers",
            "worker_ports",
            "managed",
            "start_method",
            "suppress_failure",
            "enable_mpi_mode",
            "mpi_launcher",
        }
    )

    @old_defaults
    def __init__(
        self,
        label: str = "HighThroughputExecutor",
        provider: ExecutionProvider | None = None,
        launch_cmd: str | None = None,
        interchange_launch_cmd: Sequence[str] | None = None,
        address: str | None = None,
        loopback_address: str = "127.0.0.1",
        worker_port: int | None = None,
        worker_port_range: tuple[int, int] | None = (54000, 55000),
        interchange_port_range: tuple[int, int] | None = (55000, 56000),
        storage_access: list[Any] | None = None,
        working_dir: str | None = None,
        worker_debug: bool = False,
        cores_per_worker: float = 1.0,
        mem_per_worker: float | None = None,
        max_workers_per_node: int | float | None = None,
        cpu_affinity: str = "none",
        available_accelerators: int | Sequence[str] = (),
        prefetch_capacity: int = 0,
        heartbeat_threshold: int = 120,
        heartbeat_period: int = 30,
        drain_period: int | None = None,
        poll_period: int = 10,
        address_probe_timeout: int | None = None,
        worker_logdir_root: str | None = None,
        manager_selector: ManagerSelector | None = None,
        block_error_handler: bool | BlockErrorHandler = True,
        encrypted: bool = True,
        remote_monitoring_radio: Any = None,
        *,
        scheduler_in_job: bool = False,
        python: str | None = None,
        max_workers: int | float | None = None,
        worker_ports: tuple[int, int] | None = None,
        managed: bool | None = None,
        start_method: str | None = None,
        suppress_failure: bool | None = None,
        enable_mpi_mode: bool | None = None,
        mpi_launcher: str | None = None,
        batching: bool = True,
        max_batch: int = 512,
        in_flight: int | None = None,
        inline_limit: int = 65536,
        job_end_reruns: int = 10,
        memory_limit: float | None = None,
        linger: float | None = None,
    ) -> None:
        arguments = passed_on(locals())
        removed_arguments(type(self).__name__, arguments)
        check_provider(type(self).__name__, provider)
        if enable_mpi_mode:
            self.enable_mpi_mode = True
            self.mpi_launcher = self.mpi_launcher if mpi_launcher is None else mpi_launcher
        if provider is None:
            provider = LocalProvider(launcher=SimpleLauncher()) if self.enable_mpi_mode else LocalProvider()
        BlockProviderExecutor.__init__(self, provider=provider, block_error_handler=block_error_handler)
        self._describe(arguments)
        self.launch_cmd = launch_cmd or launch_command.DEFAULT
        self.interchange_launch_cmd = interchange_launch_cmd or list(launch_command.INTERCHANGE)
        self.address = address
        self.loopback_address = loopback_address
        self.worker_port: int | None = arguments["worker_port"]
        self.worker_port_range = worker_port_range
        self.interchange_port_range = interchange_port_range
        self.worker_debug = worker_debug
        self.cores_per_worker = cores_per_worker
        self.mem_per_worker = mem_per_worker
        self.max_workers_per_node: int | float | None = arguments["max_workers_per_node"]
        self.cpu_affinity = cpu_affinity
        self.available_accelerators = available_accelerators
        self.prefetch_capacity = prefetch_capacity
        self.heartbeat_threshold = heartbeat_threshold
        self.heartbeat_period = heartbeat_period
        self.drain_period = drain_period
        self.poll_period = poll_period
        self.address_probe_timeout = address_probe_timeout
        self.worker_logdir_root = worker_logdir_root
        self.manager_selector = RandomManagerSelector() if manager_selector is None else manager_selector
        self.encrypted = encrypted
        self.scheduler_in_job = scheduler_in_job
        self.python = python
        self.validate()
        note_transport(self)

    @property
    def launch_prefix(self) -> str:
        """What ``launch_cmd`` has in front of Parsl's worker program; it goes in front of what starts on each node."""
        return launch_command.prefix(type(self).__name__, self.launch_cmd)

    @property
    def option_keys(self) -> frozenset[str]:  # type: ignore[override]
        if self.enable_mpi_mode:
            return frozenset()
        return frozenset({"priority", "memory"}) if self.limits_memory else frozenset({"priority"})

    @property
    def limits_memory(self) -> bool:  # type: ignore[override]
        return self.kind == "processes" and not self.enable_mpi_mode

    #: Whether its calls start MPI programs on nodes of their block; Parsl reads these two on the class.
    enable_mpi_mode: bool = False
    mpi_launcher: str = "mpiexec"

    @property
    def available_accelerators(self) -> list[str]:
        """Names of a node's accelerators; a number n set here becomes the names 0 to n - 1."""
        return self._accelerators

    @available_accelerators.setter
    def available_accelerators(self, value: int | Sequence[str]) -> None:
        owner, example = type(self).__name__, "Write for example available_accelerators=4 or ['0', '1']."
        if isinstance(value, int):
            need_number(owner, "available_accelerators", value, at_least=0, example="4")
            self._accelerators = [str(i) for i in range(value)]
        elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            for name in value:
                need(owner, "available_accelerators", name, str, hint=example)
            self._accelerators = list(value)
        else:
            raise wrong_type(owner, "available_accelerators", value, "an int or a sequence of str", example)

    @property
    def max_workers(self) -> int | float | None:
        """Old name of ``max_workers_per_node``, which was infinite without a limit."""
        warn_once(
            "HighThroughputExecutor.max_workers", "HighThroughputExecutor.max_workers is now max_workers_per_node."
        )
        return math.inf if self.max_workers_per_node is None else self.max_workers_per_node

    @max_workers.setter
    def max_workers(self, value: int | float | None) -> None:
        warn_once(
            "HighThroughputExecutor.max_workers", "HighThroughputExecutor.max_workers is now max_workers_per_node."
        )
        self.max_workers_per_node = value

    def validate(self) -> None:
        super().validate()
        check_arguments(self)

    def workers_per_node_for(self, cores: int, mem_gb: float | None = None) -> int:
        """Return how many workers a node has room for.

        Parameters
        ----------
        cores : int
            The node's cores.
        mem_gb : float, optional
            The node's memory in GB, for ``mem_per_worker``.

        Raises
        ------
        ConfigurationError
            When there is room for none.
        """
        count = self._room(cores, mem_gb)
        if count < 1:
            memory = "" if mem_gb is None else f" and {mem_gb:g} GB"
            raise ConfigurationError(
                f"Executor {self.label}: a node with {cores} cores{memory} has no room for a worker with "
                f"cores_per_worker={self.cores_per_worker:g}, mem_per_worker={self.mem_per_worker}. "
                "Write smaller numbers."
            )
        return int(count)

    @property
    def workers_per_node(self) -> int:
        """Workers on a node as far as provider and arguments tell before there is a node, at least 1."""
        count = self._room(slots_of(self.provider), getattr(self.provider, "mem_per_node", None))
        return 1 if count == math.inf else int(count)

    def _room(self, cores: float | None, memory_gb: float | None) -> float:
        return room({**vars(self), "accelerators": self.available_accelerators}, cores, memory_gb)

    def validate_resource_spec(self, resource_specification: Mapping[str, Any] | None) -> None:
        """Raise for anything but ``priority`` and ``memory``. In MPI mode other keys are known.

        ``priority`` is a number: the lowest runs first. ``memory`` is the megabytes that the call may have.

        Raises
        ------
        InvalidResourceSpecification
        """
        if self.enable_mpi_mode:
            validate_resource_spec(resource_specification)
            return
        refuse_keys(self, resource_specification, ("priority", "memory"))
        check_memory(resource_specification)
        priority = (resource_specification or {}).get("priority", 0)
        if isinstance(priority, bool) or not isinstance(priority, (int, float)):
            raise InvalidResourceSpecification({"priority"}, f"priority must be a number, not {short(priority)}.")

    @property
    def logdir(self) -> str:
        """Directory of this executor's logs in the run directory."""
        return f"{self.run_dir}/{self.label}"

    @property
    def worker_logdir(self) -> str:
        """Directory of the workers' logs."""
        return self.logdir if self.worker_logdir_root is None else f"{self.worker_logdir_root}/{self.label}"

    @read_or_called
    def connected_workers(self) -> int:
        """Return the number of workers; Parsl has removed it in favour of :meth:`connected_managers`."""
        warn_once("HighThroughputExecutor.connected_workers", "connected_workers() is now connected_managers().")
        return sum(manager["worker_count"] for manager in self.connected_managers())

    def set_bad_state_and_fail_all(self, exception: Exception) -> None:
        super().set_bad_state_and_fail_all(exception)
        lane: Any = self._lane
        if lane is not None:
            lane.lost = BadStateException(self, exception)  # what calls that are not done fail with
        self._close(wait=False)

    def refusal(self) -> Exception | None:
        exception = self.executor_exception
        # it is raised for every call, and would collect the frames of all of them
        return None if exception is None else exception.with_traceback(None)

    def shutdown(self, timeout: float = 10.0, *, hub: Any = None, targets: Any = None, block: Any = None) -> None:
        """End the workers; calls that are not done fail. Quiet when nothing is started.

        Parameters
        ----------
        timeout : float
            Kept for Parsl's signature; closing is bounded on its own.
        hub, targets, block
            Of Parsl's releases until 1.2: without effect, as they were there.
        """
        self._close(wait=False)

    def get_usage_information(self) -> dict[str, Any]:
        return {"mpi": self.enable_mpi_mode}
