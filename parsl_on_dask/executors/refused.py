"""Executors of Parsl that hand calls to another system, which Dask takes the place of here."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from parsl_on_dask.common.refused_classes import refused_class
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.base import ParslExecutor

FluxExecutor = refused_class(
    __name__,
    "FluxExecutor",
    "Dask gives out the tasks here, not Flux. For blocks of a batch system write "
    "HighThroughputExecutor(provider=...) with the same provider, and MPIExecutor for tasks with several ranks. "
    "Inside a Flux allocation DaskExecutor(hosts='allocation') takes its nodes.",
    "provider=None, working_dir=None, label='FluxExecutor', flux_executor_kwargs={}, flux_path=None, launch_cmd=None, "
    "managed=None",
    (ParslExecutor,),
    {"scale_in": "*args, **kwargs", "shutdown": "wait=True"},
    DEFAULT_LAUNCH_CMD="",
)

RadicalPilotExecutor = refused_class(
    __name__,
    "RadicalPilotExecutor",
    "nodes come from a provider and tasks are given out by Dask here, not by RADICAL-Pilot. Write "
    "HighThroughputExecutor(provider=...) with the provider of the batch system, for example SlurmProvider, and "
    "MPIExecutor for tasks with several ranks. For resource='local.localhost' write HighThroughputExecutor().",
    "resource=None, label='RPEX', bulk_mode=False, working_dir=None, rpex_cfg=None, **rpex_pilot_kwargs",
    (ParslExecutor,),
    {"shutdown": "hub=True, targets='all', block=False"},
)

#: What Parsl's resource specifications are called in RADICAL-Pilot.
PARSL_RP_RESOURCE_MAP = {"cores": "ranks", "disk": "lfs_per_rank", "memory": "mem_per_rank"}


class ResourceConfig:
    """Keeps what is set on it, and means nothing here: its executor is refused."""

    masters: int = 1
    workers: int = 1
    worker_gpus_per_node: int = 0
    worker_cores_per_node: int = 4
    cores_per_master: int = 1
    nodes_per_worker: int = 1
    pilot_env_mode: str = "client"
    pilot_env_path: str = ""
    pilot_env_type: str = "venv"
    pilot_env_name: str = "rp"
    pilot_env_pre_exec: list[str] = []  # noqa: RUF012  # set on the class by scripts
    pilot_env_setup: list[str] = []  # noqa: RUF012
    python_v: str = f"{sys.version_info[0]}.{sys.version_info[1]}"
    worker_type: str = "DefaultWorker"

    @classmethod
    def get_config(cls, path: Any = None) -> NoReturn:
        """Raise: there is no RADICAL-Pilot to write it for."""
        raise ConfigurationError(f"ResourceConfig.get_config(): {RadicalPilotExecutor.instead}")
