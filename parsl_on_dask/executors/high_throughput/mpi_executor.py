"""Apps that start MPI programs on several nodes of a block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parsl_on_dask.common.arguments import need_number, passed_on
from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
from parsl_on_dask.executors.status_handling import BlockErrorHandler
from parsl_on_dask.providers.base import ExecutionProvider


class MPIExecutor(HighThroughputExecutor):
    """Runs apps that start MPI programs, each on nodes of its own.

    Every block has one pool of workers, on its first node, and knows the nodes of its batch job. A call says by
    ``parsl_resource_specification`` how many of them it takes: ``num_nodes``, ``ranks_per_node``, ``num_ranks``,
    ``launcher_options``. It waits until a block has so many free; calls for the fewest nodes go first. While it runs,
    ``PARSL_MPI_PREFIX`` in its environment is the command that starts a program on them, ``PARSL_MPI_NODELIST`` are
    their names, and ``PARSL_NUM_NODES``, ``PARSL_RANKS_PER_NODE``, ``PARSL_NUM_RANKS`` their numbers. The
    behaviour is that of Parsl's ``parsl.executors.high_throughput.mpi_executor``.

    Parameters
    ----------
    label : str
        Name of the executor in its Config.
    provider : ExecutionProvider, optional
        Where blocks come from. Its launcher has to be a ``SimpleLauncher``. Default: this machine as a single node.
    max_workers_per_block : int
        The most calls that a block runs at a time. Default 1.
    mpi_launcher : str
        What ``PARSL_MPI_PREFIX`` begins with: ``"mpiexec"`` (default), ``"srun"`` or ``"aprun"``. The options of
        ``mpiexec`` are MPICH's, or Open MPI's where that is what the block has.
    address, worker_port, worker_port_range, storage_access, working_dir, worker_debug, drain_period, \
worker_logdir_root, block_error_handler, remote_monitoring_radio
        See :class:`~parsl_on_dask.executors.high_throughput.executor.HighThroughputExecutor`.
    encrypted : bool
        Talk TLS with certificates of the run's own. Default True; in Parsl, False.
    launch_cmd, interchange_launch_cmd, loopback_address, interchange_port_range, prefetch_capacity, \
heartbeat_threshold, heartbeat_period, poll_period, address_probe_timeout
        They steer Parsl's own transport, see there.
    worker_ports
        Of Parsl's earlier releases.
    scheduler_in_job, python, inline_limit, job_end_reruns, memory_limit
        This package's own, see there.

    Raises
    ------
    ConfigurationError
        When an argument cannot be used. It is a ``TypeError`` for another launcher of the provider's, and a
        ``ValueError`` for an unknown ``mpi_launcher``.

    Examples
    --------
    >>> executor = MPIExecutor(max_workers_per_block=2, mpi_launcher="srun")
    >>> executor.validate_resource_spec({"num_nodes": 2, "ranks_per_node": 4})
    """

    enable_mpi_mode = True
    _legacy_arguments = frozenset({"worker_ports"})

    def __init__(
        self,
        label: str = "MPIExecutor",
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
        max_workers_per_block: int = 1,
        prefetch_capacity: int = 0,
        heartbeat_threshold: int = 120,
        heartbeat_period: int = 30,
        drain_period: int | None = None,
        poll_period: int = 10,
        address_probe_timeout: int | None = None,
        worker_logdir_root: str | None = None,
        mpi_launcher: str = "mpiexec",
        block_error_handler: bool | BlockErrorHandler = True,
        encrypted: bool = True,
        remote_monitoring_radio: Any = None,
        *,
        scheduler_in_job: bool = False,
        python: str | None = None,
        worker_ports: tuple[int, int] | None = None,
        inline_limit: int = 65536,
        job_end_reruns: int = 10,
        memory_limit: float | None = None,
    ) -> None:
        given = passed_on(locals(), "max_workers_per_block", "mpi_launcher")
        self.max_workers_per_block = max_workers_per_block
        self.mpi_launcher = mpi_launcher
        # a worker waits for ranks on other cores
        super().__init__(**given, cores_per_worker=1e-9, max_workers_per_node=max_workers_per_block)

    def validate(self) -> None:
        need_number(type(self).__name__, "max_workers_per_block", self.max_workers_per_block, at_least=1, example="2")
        self.max_workers_per_node = self.max_workers_per_block
        super().validate()

    def monitor_resources(self) -> bool:
        """Return False: the ranks of a program are on other nodes, where nobody watches them."""
        return False
