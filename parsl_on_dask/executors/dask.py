"""Apps on a Dask cluster that exists already, on jobs of a batch system, or on hosts that SSH reaches."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any

from parsl_on_dask.common.arguments import need, need_number, passed_on, short, wrong_type, wrong_value
from parsl_on_dask.common.misspelt import meant
from parsl_on_dask.common.mistakes import not_a_way
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
from parsl_on_dask.executors.specifications import check_memory, refuse_keys
from parsl_on_dask.executors.status_handling import BlockErrorHandler
from parsl_on_dask.importing.lazily import by_name
from parsl_on_dask.providers.allocation import ALLOCATION
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.providers.worker_args import WorkerOptions

#: What says where the workers are; exactly one of them is given.
WAYS = ("address", "client", "cluster", "scheduler_file", "jobqueue", "hosts")
#: Of these, what makes workers rather than finds them.
MAKING = ("jobqueue", "hosts")

#: Arguments that :class:`~parsl_on_dask.executors.HighThroughputExecutor` does not have.
_OWN = (*WAYS[1:], "security", "config_name", "init_blocks", "min_blocks", "max_blocks", "parallelism", "settings")


class DaskExecutor(HighThroughputExecutor):
    """Runs apps where Dask users run things: on an existing cluster, in jobs of ``jobqueue.yaml``, or over SSH.

    An existing cluster is left running at the end, and this package need not be installed on its workers.
    With ``jobqueue`` or ``hosts`` this executor is a :class:`~parsl_on_dask.executors.HighThroughputExecutor` whose
    provider is made from Dask's own settings: blocks, scaling and the shape of a node are as they are there. Not in
    Parsl.

    On an existing cluster, ``parsl_resource_specification`` takes ``priority`` (the lowest runs first), ``resources``
    (a dict of Dask's abstract resources, which the workers have to offer) and ``workers`` (addresses or names of the
    workers that may run the call). In jobs it takes ``priority``, and ``resources`` that the site's
    ``worker-extra-args`` let workers offer; on hosts ``priority``.

    Parameters
    ----------
    address : str, optional
        The scheduler's address, for example ``"tcp://10.0.0.1:8786"``.
    label : str
        Name of the executor in its Config. Default ``"dask"``.
    client : distributed.Client, optional
        A client that is connected.
    cluster : optional
        A cluster object: ``LocalCluster``, ``SLURMCluster``, … With ``max_blocks`` its jobs come and go with the calls
        (dask-jobqueue's clusters only); without, the cluster is left as it is.
    scheduler_file : path, optional
        The file that ``dask scheduler --scheduler-file`` writes.
    security : distributed.security.Security, optional
        Certificates for ``tls://`` addresses.
    jobqueue : str, optional
        A batch system, ``"slurm"``, ``"pbs"``, ``"lsf"``, ``"sge"``, …: workers are in jobs that are submitted there.
        What is not given here comes from the ``jobqueue.<system>`` section of Dask's configuration.
    config_name : str, optional
        Another section of ``jobqueue`` in Dask's configuration, for example ``"perlmutter"``.
    hosts : sequence of str, or "allocation", optional
        Names of hosts, or ``user@host``, on which workers are started by SSH; a host is a block. ``"allocation"`` means
        the nodes of the batch job that the script runs in (Slurm, PBS, LSF, Flux, Grid Engine, OAR), on which workers
        are started by what the system has for that; all nodes are one block, unless ``nodes_per_block`` says otherwise.
    init_blocks, min_blocks, max_blocks : int, optional
        Blocks at the start, at least, and at most. Default: for jobs 1, 0 and 1; for hosts, all of them; a cluster
        object is not scaled.
    parallelism : float, optional
        Worker slots wanted for each waiting task, 0 to 1. Default 1.
    max_workers_per_node, cores_per_worker, mem_per_worker, cpu_affinity, available_accelerators, drain_period, \
worker_logdir_root, worker_debug, block_error_handler, encrypted, scheduler_in_job
        With ``jobqueue`` or ``hosts``: see :class:`~parsl_on_dask.executors.HighThroughputExecutor`. Where
        ``max_workers_per_node`` is left out, a node has a worker for each of the ``cores`` of dask-jobqueue's settings:
        as many calls at a time as its workers would have threads, each in a process.
    working_dir : str, optional
        Where staged files go.
    storage_access : list of Staging, optional
        How files get to the apps. Default: the usual ways; an empty list: none.
    remote_monitoring_radio : optional
        How apps report to monitoring, when there is any.
    batching, max_batch, in_flight, inline_limit, job_end_reruns, memory_limit, linger
        See :class:`~parsl_on_dask.executors.lane_executor.LaneExecutor`.
    **settings
        With ``jobqueue``: settings by dask-jobqueue's names (``queue``, ``cores``, ``memory``, ``walltime``,
        ``job_extra_directives``, …) or by those of Parsl's provider (``nodes_per_block``, ``launcher``,
        ``worker_init``, …). With ``hosts``: those of :class:`~parsl_on_dask.clusters.hosts.HostsProvider`, or of
        :class:`~parsl_on_dask.clusters.allocated.AllocationProvider`.

    Raises
    ------
    ConfigurationError
        Unless exactly one of address, client, cluster, scheduler_file, jobqueue and hosts is given; for a setting that
        the batch system does not have.

    Examples
    --------
    >>> DaskExecutor("tcp://10.0.0.1:8786").label
    'dask'
    >>> executor = DaskExecutor(jobqueue="slurm", queue="debug", walltime="00:10:00", max_blocks=4)
    >>> executor.provider.max_blocks
    4
    """

    kind: str = "existing"

    def __init__(
        self,
        address: str | None = None,
        *,
        label: str = "dask",
        client: Any = None,
        cluster: Any = None,
        scheduler_file: str | os.PathLike[str] | None = None,
        security: Any = None,
        jobqueue: str | None = None,
        config_name: str | None = None,
        hosts: Sequence[str] | None = None,
        init_blocks: int | None = None,
        min_blocks: int | None = None,
        max_blocks: int | None = None,
        parallelism: float | None = None,
        max_workers_per_node: int | float | None = None,
        cores_per_worker: float = 1.0,
        mem_per_worker: float | None = None,
        cpu_affinity: str = "none",
        available_accelerators: int | Sequence[str] = (),
        drain_period: int | None = None,
        worker_logdir_root: str | None = None,
        worker_debug: bool = False,
        block_error_handler: bool | BlockErrorHandler = True,
        encrypted: bool = True,
        scheduler_in_job: bool = False,
        working_dir: str | None = None,
        storage_access: list[Any] | None = None,
        remote_monitoring_radio: Any = None,
        batching: bool = True,
        max_batch: int = 512,
        in_flight: int | None = None,
        inline_limit: int = 65536,
        job_end_reruns: int = 10,
        memory_limit: float | None = None,
        linger: float | None = None,
        **settings: Any,
    ) -> None:
        given = passed_on(locals(), *_OWN)
        self.client = client
        self.cluster = cluster
        self.scheduler_file = scheduler_file
        self.security = security
        self.jobqueue = jobqueue
        self.config_name = config_name
        self.hosts = hosts
        self.init_blocks = init_blocks
        self.min_blocks = min_blocks
        self.max_blocks = max_blocks
        self.parallelism = parallelism
        self.settings = settings
        # Where to find a scheduler; for the base class it is where workers find us, and that it gets from the provider.
        self.address = address
        if jobqueue is not None or hosts is not None:
            self.kind = "processes"
        provider = self._provider_described()
        given["max_workers_per_node"] = _processes(provider) if max_workers_per_node is None else max_workers_per_node
        super().__init__(**given, provider=provider)
        self._provider = provider  # which is None where there is nothing to ask for blocks

    def _provider_described(self) -> ExecutionProvider | None:
        """What blocks come from, by the arguments."""
        self._check_way()
        numbers = {
            name: value
            for name in ("init_blocks", "min_blocks", "max_blocks", "parallelism")
            if (value := getattr(self, name)) is not None
        }
        if self.jobqueue is not None:
            from parsl_on_dask.providers.jobqueue import provider_from_jobqueue

            return provider_from_jobqueue(self.jobqueue, self.config_name, **numbers, **self.settings)
        if self.hosts is not None:
            kind = by_name(
                "clusters.allocated:AllocationProvider" if self.hosts == ALLOCATION else "clusters.hosts:HostsProvider"
            )
            known = [name for name in inspect.signature(kind).parameters if name != "hosts"]
            for name, value in self.settings.items():
                if name not in known:
                    hint = f"there is no such setting for hosts=. There are {', '.join(known)}."
                    raise wrong_value(type(self).__name__, name, value, hint)
            hosts = [] if self.hosts == ALLOCATION else [self.hosts]
            made: ExecutionProvider = kind(*hosts, **numbers, **self.settings)
            return made
        if numbers:
            jobs: ExecutionProvider = by_name("clusters.jobs_of_cluster:JobsOfCluster")(self.cluster, **numbers)
            return jobs
        return None

    def _check_way(self) -> None:
        """Raise unless the arguments name one place for the workers, and no setting of another."""
        owner = type(self).__name__
        _check_address(owner, self.address)
        given = [name for name in WAYS if getattr(self, name) is not None]
        if not given and self.settings:
            raise ConfigurationError(f"{owner}: {not_a_way(self.settings, WAYS)}")
        if len(given) != 1:
            raise ConfigurationError(
                f"{owner}: give exactly one of {', '.join(WAYS[:-1])} and {WAYS[-1]}"
                f" (given: {', '.join(given) or 'none'}). Write for example DaskExecutor('tcp://10.0.0.1:8786')"
                " or DaskExecutor(jobqueue='slurm')."
            )
        [way] = given
        if self.address is not None and ":" not in self.address:
            raise ConfigurationError(
                f"{owner}({self.address!r}): this is no address with a port. Write for example "
                f"DaskExecutor('tcp://{self.address or '10.0.0.1'}:8786')."
            )
        if self.security is not None and way in ("client", "cluster"):
            raise ConfigurationError(f"{owner}: a {way} has its own security. Leave security= out.")
        if self.security is not None and way in MAKING:
            raise ConfigurationError(f"{owner}({way}=...) makes certificates of its own. Leave security= out.")
        if way in ("client", "cluster") and isinstance(getattr(self, way), (str, type)):
            value = getattr(self, way)
            hint = f"Give the object, {way}={way}." if isinstance(value, type) else f"Write {owner}({value!r})."
            raise wrong_type(owner, way, value, f"a {way} of Dask's", hint)
        need(owner, "scheduler_file", self.scheduler_file, str, os.PathLike, type(None), hint="Write a path.")
        need(owner, "jobqueue", self.jobqueue, str, type(None), hint="Write for example jobqueue='slurm'.")
        need(owner, "config_name", self.config_name, str, type(None), hint="Write the name of a section.")
        if self.config_name is not None and way != "jobqueue":
            raise ConfigurationError(f"{owner}: config_name= is a section of jobqueue.yaml. Give jobqueue='slurm' too.")
        if way == "hosts":
            self._check_hosts(owner)
        if self.settings and way not in MAKING:
            name, value = next(iter(self.settings.items()))
            near = meant(name, list(inspect.signature(DaskExecutor).parameters))
            hint = f"Write {near[0]}=." if near else "Settings of jobs go with jobqueue='slurm'."
            raise wrong_value(owner, name, value, f"there is no such argument for {way}=. {hint}")
        for name, least in (("init_blocks", 0), ("min_blocks", 0), ("max_blocks", 0), ("parallelism", 0)):
            self._check_number(owner, way, name, least)

    def _check_hosts(self, owner: str) -> None:
        hosts, example = self.hosts, "Write for example hosts=['node1', 'me@node2'], or hosts='allocation'."
        if hosts == ALLOCATION:
            return
        if isinstance(hosts, str) or not isinstance(hosts, Sequence):
            raise wrong_type(owner, "hosts", hosts, "a list of names of hosts", example)
        if not hosts:
            raise wrong_value(owner, "hosts", hosts, f"there is no host in it. {example}")
        for host in hosts:
            need(owner, "hosts", host, str, hint=example)

    def _check_number(self, owner: str, way: str, name: str, least: float) -> None:
        value = getattr(self, name)
        if value is None:
            return
        kind = float if name == "parallelism" else int
        need_number(owner, name, value, kind=kind, at_least=least, example="1")
        if way not in (*MAKING, "cluster"):
            raise wrong_value(
                owner,
                name,
                value,
                f"the cluster behind {way}= is left as it is. Give cluster=, jobqueue= or hosts= to have it scaled.",
            )
        if way == "cluster" and not hasattr(self.cluster, "job_cls"):
            raise wrong_value(
                owner,
                name,
                value,
                f"{type(self.cluster).__name__} does not come in jobs. Leave {name} out, and call its own scale() or "
                "adapt().",
            )
        if way == "cluster" and self.max_blocks is None:
            raise wrong_value(owner, name, value, "give max_blocks, too, to have the cluster scaled.")

    def validate(self) -> None:
        self._check_way()
        if self.scheduler_in_job and self.jobqueue is None:
            raise wrong_value(
                type(self).__name__, "scheduler_in_job", True, "a scheduler in a job needs jobs. Give jobqueue='slurm'."
            )
        super().validate()

    @property
    def workers_per_node(self) -> int:
        """How many calls a node runs at a time: the largest there is, or what the arguments tell; at least 1."""
        if self.kind == "processes":
            return super().workers_per_node
        return max((node["worker_count"] for node in self.connected_managers()), default=1)

    def _validate_for_blocks(self, specification: Mapping[str, Any]) -> None:
        super().validate_resource_spec({k: v for k, v in specification.items() if k != "resources"})
        if "resources" not in specification:
            return
        wanted = specification["resources"]
        offered = getattr(getattr(self.provider, "site", None), "worker", WorkerOptions()).resources
        problem = _problem("resources", wanted) or _lacking(offered, wanted)
        if problem:
            raise InvalidResourceSpecification({"resources"}, f"resources={short(wanted)}: {problem}.")

    @property
    def limits_memory(self) -> bool:  # type: ignore[override]
        return super().limits_memory or (self.kind == "existing" and not self._cannot_end())

    def _cannot_end(self) -> str:
        """Why the workers of an existing cluster cannot be ended for a call; "" where they can."""
        return "" if self._lane is None else self._lane.cannot_end()

    def validate_resource_spec(self, resource_specification: Mapping[str, Any] | None) -> None:
        """Raise an error for keys or values that Dask cannot use.

        Raises
        ------
        InvalidResourceSpecification
        """
        if self.kind == "processes":
            self._validate_for_blocks(resource_specification or {})
            return
        refuse_keys(self, resource_specification, ("priority", "resources", "workers", "memory"))
        check_memory(resource_specification)
        for name, value in (resource_specification or {}).items():
            problem = self._cannot_end() if name == "memory" else _problem(name, value)
            if problem:
                raise InvalidResourceSpecification({name}, f"{name}={short(value)}: {problem}.")


def _lacking(offered: Mapping[str, float], wanted: Mapping[str, float]) -> str | None:
    """Why no worker will ever offer what is wanted."""
    for name, amount in wanted.items():
        if amount > offered.get(name, 0):
            there = ", ".join(f"{n}={most:g}" for n, most in offered.items()) or "none"
            return f"there is no worker with {name}={amount:g}. By worker-extra-args of jobqueue.yaml there is {there}"
    return None


def _processes(provider: Any) -> int | None:
    """Worker processes on a node, where dask-jobqueue's settings say that and no number of cores."""
    site = getattr(provider, "site", None)
    return None if getattr(site, "slots", None) is not None else getattr(site, "processes", None)


def _check_address(owner: str, address: Any) -> None:
    if address is None or isinstance(address, str):
        return
    word = "client" if hasattr(address, "gather") else "cluster"
    hint = f"A {word} is given by name: DaskExecutor({word}=...)."
    raise wrong_type(owner, "address", address, "a str such as 'tcp://10.0.0.1:8786'", hint)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _problem(name: str, value: Any) -> str | None:
    if name == "priority":
        return None if _is_number(value) else "write a number, the lowest runs first"
    if name == "resources":
        fits = isinstance(value, Mapping) and all(isinstance(k, str) and _is_number(v) for k, v in value.items())
        return None if fits else "write a dict such as {'GPU': 1}"
    if name == "workers":
        names = [value] if isinstance(value, str) else value
        fits = isinstance(names, (list, tuple, set)) and all(isinstance(n, str) for n in names)
        return None if fits else "write a worker's address or name, or a list of them"
    return None
