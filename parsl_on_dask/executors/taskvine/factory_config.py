"""Settings of TaskVine's factory: how many workers, and how large."""

from __future__ import annotations

from dataclasses import dataclass

from parsl_on_dask.common.arguments import need_whole_numbers


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
