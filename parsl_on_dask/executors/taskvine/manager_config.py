"""Settings of TaskVine's manager, most of which a Dask scheduler has no use for."""

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
