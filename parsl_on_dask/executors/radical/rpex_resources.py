"""Settings of RADICAL-Pilot's workers, which scripts make before the executor that takes them."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from parsl_on_dask.errors import ConfigurationError


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
        from parsl_on_dask.executors.radical.executor import RadicalPilotExecutor

        raise ConfigurationError(f"ResourceConfig.get_config(): {RadicalPilotExecutor.instead}")
