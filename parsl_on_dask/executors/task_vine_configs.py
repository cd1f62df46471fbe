"""Settings of TaskVine's manager, most of which a Dask scheduler has no use for, and of its factory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from parsl_on_dask.common.arguments import need_whole_numbers


@dataclass
class TaskVineManagerConfig:
    """What a :class:`~parsl_on_dask.executors.taskvine.TaskVineExecutor` is told about its manager.

    Parameters
    ----------
    address : str, optional
        Address of this machine that workers connect to.
    env_vars : dict, optional
        Environment variables of the workers.
    init_command : str
        Shell command that is run before workers start.
    env_pack, app_pack, extra_pkgs
        Refused by the executor: environments are not sent to the workers.
    port, project_name, project_password_file, max_retries, library_config, shared_fs, autolabel, autolabel_algorithm, \
autolabel_window, autocategory, enable_peer_transfers, wait_for_workers, tune_parameters, vine_log_dir
        They steer TaskVine: accepted, kept and shown.
    """

    port: int = 0
    address: str | None = None
    project_name: str | None = None
    project_password_file: str | None = None
    env_vars: dict[str, str] | None = None
    init_command: str = ""
    env_pack: str | None = None
    app_pack: bool = False
    extra_pkgs: list[str] | None = None
    max_retries: int | None = 1
    library_config: dict[str, Any] | None = None
    shared_fs: bool = False
    autolabel: bool = False
    autolabel_algorithm: str = "max-xput"
    autolabel_window: int | None = None
    autocategory: bool = True
    enable_peer_transfers: bool = True
    wait_for_workers: int | None = None
    tune_parameters: dict[str, Any] | None = None
    vine_log_dir: str | None = None

    def __post_init__(self) -> None:
        need_whole_numbers(self)


@dataclass
class TaskVineFactoryConfig:
    """What a :class:`~parsl_on_dask.executors.taskvine.TaskVineExecutor` is told about its workers.

    A worker of TaskVine takes many calls at a time; it is a block here.

    Parameters
    ----------
    min_workers, max_workers : int
        How many there are at the start and when idle, and at the most. Default 1 and 1.
    cores, gpus, memory, disk : int, optional
        What each of them has; memory and disk in MB. Default: what the machine has.
    batch_type : str
        Must be ``"local"``, the default: for batch systems give the executor a provider.
    python_env
        Refused by the executor: environments are not sent to the workers.
    factory_timeout, scratch_dir, workers_per_cycle, worker_options, worker_executable, worker_timeout, \
condor_requirements, batch_options, _project_port, _project_address, _project_name, _project_password_file
        They steer TaskVine: accepted, kept and shown.
    """

    factory_timeout: int = 300
    scratch_dir: str | None = None
    min_workers: int = 1
    max_workers: int = 1
    workers_per_cycle: int = 1
    worker_options: str | None = None
    worker_executable: str = "vine_worker"
    worker_timeout: int = 300
    cores: int | None = None
    gpus: int | None = None
    memory: int | None = None
    disk: int | None = None
    python_env: str | None = None
    batch_type: str = "local"
    condor_requirements: str | None = None
    batch_options: str | None = None
    _project_port: int = 0
    _project_address: str | None = None
    _project_name: str | None = None
    _project_password_file: str | None = None

    def __post_init__(self) -> None:
        need_whole_numbers(self)
