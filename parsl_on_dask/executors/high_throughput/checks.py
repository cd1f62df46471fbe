"""Checks the arguments of HighThroughputExecutor."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.arguments import need, need_number, short, wrong_type, wrong_value
from parsl_on_dask.errors import ConfigurationError, TypeCheckError
from parsl_on_dask.executors.high_throughput.cpu_affinity import check_cpu_affinity
from parsl_on_dask.executors.high_throughput.errors import UnknownMPILauncher
from parsl_on_dask.executors.high_throughput.launch_command import INTERCHANGE
from parsl_on_dask.executors.high_throughput.manager_selector import ManagerSelector
from parsl_on_dask.executors.high_throughput.mpi_prefix_composer import VALID_LAUNCHERS
from parsl_on_dask.launchers.launchers import SimpleLauncher
from parsl_on_dask.old_spellings.legacy import note_unused
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.providers.cloud import CloudProvider
from parsl_on_dask.providers.local_provider import LocalProvider

if TYPE_CHECKING:
    from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor

# They steer Parsl's own transport, which Dask's takes the place of.
_TRANSPORT_DEFAULTS: dict[str, Any] = {
    "interchange_launch_cmd": INTERCHANGE,
    "loopback_address": "127.0.0.1",
    "interchange_port_range": (55000, 56000),
    "prefetch_capacity": 0,
    "heartbeat_threshold": 120,
    "heartbeat_period": 30,
    "poll_period": 10,
    "address_probe_timeout": None,
}


def check_arguments(executor: HighThroughputExecutor) -> None:
    """Raise unless all arguments of an executor can be used, including those that were set after construction."""
    owner = type(executor).__name__
    check_provider(owner, executor.provider)
    need(owner, "launch_cmd", executor.launch_cmd, str)
    if executor.launch_prefix and isinstance(executor.provider, CloudProvider):
        raise ConfigurationError(
            f"{owner}(launch_cmd={short(executor.launch_cmd)}): what a machine or a pod starts is up to Dask's package "
            f"for it. Write worker_init= of {type(executor.provider).__name__}, or prepare its image."
        )
    _check_python(owner, executor)
    need(owner, "address", executor.address, str, type(None), hint="Write for example address='10.0.0.1'.")
    need_number(owner, "worker_port", executor.worker_port, at_least=0, optional=True, example="54321")
    for name in ("worker_port_range", "interchange_port_range"):
        _check_port_range(owner, name, getattr(executor, name))
    need(owner, "worker_debug", executor.worker_debug, bool)
    need_number(owner, "cores_per_worker", executor.cores_per_worker, kind=float, above=0, example="1")
    need_number(owner, "mem_per_worker", executor.mem_per_worker, kind=float, at_least=0, optional=True, example="4")
    if executor.max_workers_per_node != float("inf"):
        need_number(
            owner, "max_workers_per_node", executor.max_workers_per_node, at_least=1, optional=True, example="8"
        )
    check_cpu_affinity(owner, executor.cpu_affinity)
    need_number(owner, "drain_period", executor.drain_period, kind=float, above=0, optional=True, example="3600")
    need(owner, "worker_logdir_root", executor.worker_logdir_root, str, type(None), hint="Write a path.")
    need(owner, "encrypted", executor.encrypted, bool)
    need(owner, "scheduler_in_job", executor.scheduler_in_job, bool)
    if executor.scheduler_in_job:
        _check_scheduler_in_job(owner, executor)
    for name in ("prefetch_capacity", "heartbeat_threshold", "heartbeat_period", "poll_period"):
        need_number(
            owner, name, getattr(executor, name), kind=float, at_least=0, example=str(_TRANSPORT_DEFAULTS[name])
        )
    probe = executor.address_probe_timeout
    need_number(owner, "address_probe_timeout", probe, kind=float, at_least=0, optional=True, example="10")
    if executor.enable_mpi_mode:
        _check_mpi(owner, executor)
    if not isinstance(executor.manager_selector, ManagerSelector):
        raise wrong_type(owner, "manager_selector", executor.manager_selector, "a ManagerSelector", "Leave it out.")
    if executor.memory_limit is not None and (
        executor.kind != "processes" or isinstance(executor.provider, CloudProvider)
    ):
        hint = "the workers there are not started by this package: give their cluster a memory_limit, as Dask has it."
        raise wrong_value(owner, "memory_limit", executor.memory_limit, hint)
    if not executor.batching:
        _check_simple_lane(owner, executor)


def _check_simple_lane(owner: str, executor: HighThroughputExecutor) -> None:
    """Raise for what is not done where each call goes to Dask as a task of its own."""
    asked = {
        "enable_mpi_mode": executor.enable_mpi_mode,
        "a resource specification for each call": getattr(executor, "by_resources", False),
        "manager_selector": not executor.manager_selector.anywhere,
        "drain_period": executor.drain_period is not None,
        "job_end_reruns": executor.job_end_reruns != type(executor).job_end_reruns,
    }
    for what, is_asked in asked.items():
        if is_asked:
            hint = (
                f"Dask then chooses the worker of each call, and {what} would change nothing. "
                f"Leave out batching=False, or {what}."
            )
            raise wrong_value(owner, "batching", False, hint)


def _check_python(owner: str, executor: HighThroughputExecutor) -> None:
    python, example = executor.python, "Write a path, or for example 'apptainer exec image.sif python'."
    need(owner, "python", python, str, type(None), hint=example)
    if python is None:
        return
    try:
        if not shlex.split(python):
            raise ValueError("it is empty")
    except ValueError as error:
        raise wrong_value(owner, "python", python, f"{error}. {example}") from None
    if isinstance(executor.provider, CloudProvider):
        hint = f"machines and pods run the Python of the image that {type(executor.provider).__name__} gives them."
        raise wrong_value(owner, "python", python, hint)


def _check_mpi(owner: str, executor: HighThroughputExecutor) -> None:
    launcher = getattr(executor.provider, "launcher", None)
    if not isinstance(launcher, SimpleLauncher):
        raise TypeCheckError(
            f"{owner}: the launcher of its provider must be a SimpleLauncher, not {short(launcher)}. Workers are on "
            "the first node of a block only, and start MPI programs on its nodes from there: write "
            f"{type(executor.provider).__name__}(launcher=SimpleLauncher())."
        )
    if executor.mpi_launcher not in VALID_LAUNCHERS:
        raise UnknownMPILauncher(
            f"{owner}(mpi_launcher={short(executor.mpi_launcher)}): mpi_launcher must be one of "
            f"{', '.join(map(repr, VALID_LAUNCHERS))}; 'mpiexec' is for MPICH, Intel MPI and Open MPI."
        )


def note_transport(executor: HighThroughputExecutor) -> None:
    """Report at debug level, once each, the transport settings that are not the default."""
    note_unused("HighThroughputExecutor", executor, _TRANSPORT_DEFAULTS)


def check_provider(owner: str, provider: Any) -> None:
    """Raise unless blocks can be had from ``provider``."""
    if provider is None:
        return
    if not isinstance(provider, ExecutionProvider):
        from parsl_on_dask.common.mistakes import not_a_provider

        raise wrong_type(owner, "provider", provider, "an ExecutionProvider", not_a_provider(provider))


def _check_port_range(owner: str, name: str, value: Any) -> None:
    if value is None:
        return
    two = isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(port, int) for port in value)
    if not two or value[0] > value[1]:
        raise wrong_type(owner, name, value, "two ints, the lower first", f"Write for example {name}=(54000, 55000).")


def _check_scheduler_in_job(owner: str, executor: HighThroughputExecutor) -> None:
    provider = executor.provider
    if isinstance(provider, LocalProvider):
        raise ConfigurationError(
            f"{owner}(scheduler_in_job=True): blocks of LocalProvider are on this machine, and so is the scheduler "
            "without it. Leave it out, or give the provider of your batch system."
        )
    if provider is not None and provider.init_blocks < 1:
        raise ConfigurationError(
            f"{owner}(scheduler_in_job=True): the scheduler needs a first block. Write init_blocks=1 or more."
        )
    if executor.address is not None and not executor.address.startswith(("127.", "localhost")):
        raise ConfigurationError(
            f"{owner}(scheduler_in_job=True, address={executor.address!r}): the scheduler's address is that of a node, "
            "which is not known yet. Leave address out."
        )
