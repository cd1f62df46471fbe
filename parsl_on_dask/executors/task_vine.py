"""Apps that say which resources they need, by the interface of TaskVine's executor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from parsl_on_dask.common.arguments import need, need_choice, need_number
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.resources import NUMBERS, ResourceExecutor, exports, no_environments
from parsl_on_dask.executors.task_vine_configs import TaskVineFactoryConfig, TaskVineManagerConfig
from parsl_on_dask.old_spellings.legacy import note_unused
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.providers.local_provider import LocalProvider

_MODES = ("regular", "serverless")
_MANAGER_USED = {"address", "env_vars", "init_command", "env_pack", "app_pack", "extra_pkgs"}
_FACTORY_USED = {"min_workers", "max_workers", "cores", "gpus", "memory", "disk", "python_env", "batch_type"}


class TaskVineExecutor(ResourceExecutor):
    """Runs apps in worker processes, as many on a node at a time as their resources allow.

    ``parsl_resource_specification`` takes ``cores``, ``memory`` and ``disk`` (MB), ``gpus``, ``priority`` (the highest
    runs first), ``running_time_min`` (seconds: the call is not begun in a job that ends earlier), ``category`` and
    ``exec_mode``. A call that names none of cores, memory and disk has a node for itself; one that names some of them
    gets the same share of the others. A call that asks for more than any node has fails. Nothing keeps a call from
    taking more than it asked for.

    Where the interface comes from: Parsl's ``parsl.executors.taskvine``. TaskVine is not used: the workers are Dask's.

    Parameters
    ----------
    label : str
    worker_launch_method : str
        ``"factory"`` (default): blocks on this machine, by ``factory_config``. ``"provider"``: blocks of ``provider``.
        ``"manual"`` is refused: workers that you start yourself are a ``DaskExecutor``'s.
    function_exec_mode : str
        ``"regular"`` (default) or ``"serverless"``: calls run in processes that stay, either way.
    manager_config : TaskVineManagerConfig, optional
    factory_config : TaskVineFactoryConfig, optional
    provider : ExecutionProvider, optional
        For ``"provider"``. Default ``LocalProvider()``.
    storage_access : list of Staging, optional
    remote_monitoring_radio : optional

    Raises
    ------
    ConfigurationError
        When an argument cannot be used.

    Examples
    --------
    >>> executor = TaskVineExecutor(factory_config=TaskVineFactoryConfig(max_workers=2, cores=4))
    >>> executor.provider.max_blocks
    2
    """

    keys = (*NUMBERS, "category", "exec_mode")

    def __init__(
        self,
        label: str = "TaskVineExecutor",
        worker_launch_method: str = "factory",
        function_exec_mode: str = "regular",
        manager_config: TaskVineManagerConfig | None = None,
        factory_config: TaskVineFactoryConfig | None = None,
        provider: ExecutionProvider | None = None,
        storage_access: list[Any] | None = None,
        remote_monitoring_radio: Any = None,
    ) -> None:
        self.worker_launch_method = worker_launch_method
        self.function_exec_mode = function_exec_mode
        self.manager_config = TaskVineManagerConfig() if manager_config is None else manager_config
        self.factory_config = TaskVineFactoryConfig() if factory_config is None else factory_config
        self._check_configs()
        factory = self.factory_config
        by_factory = worker_launch_method == "factory"
        if by_factory:
            if provider is not None:
                raise ConfigurationError(
                    f"{type(self).__name__}(provider=...): with worker_launch_method='factory', the default, there is "
                    "no provider. Write worker_launch_method='provider'."
                )
            provider = LocalProvider(
                init_blocks=factory.min_workers, min_blocks=factory.min_workers, max_blocks=factory.max_workers
            )
        super().__init__(
            label=label,
            provider=provider,
            address=self.manager_config.address,
            max_workers_per_node=factory.cores if by_factory else None,
            storage_access=storage_access,
            remote_monitoring_radio=remote_monitoring_radio,
            encrypted=True,  # in every dialect: there is no argument that says otherwise
        )
        self._note_configs()

    def _check_configs(self) -> None:
        owner = type(self).__name__
        if self.worker_launch_method == "manual":
            raise ConfigurationError(
                f"{owner}(worker_launch_method='manual'): start the workers as a Dask cluster, `dask scheduler` and "
                "`dask worker tcp://...`, and write DaskExecutor('tcp://...')."
            )
        need_choice(owner, "worker_launch_method", self.worker_launch_method, ("factory", "provider"))
        need_choice(owner, "function_exec_mode", self.function_exec_mode, _MODES)
        need(owner, "manager_config", self.manager_config, TaskVineManagerConfig, hint="Write TaskVineManagerConfig().")
        need(owner, "factory_config", self.factory_config, TaskVineFactoryConfig, hint="Write TaskVineFactoryConfig().")
        factory = self.factory_config
        if factory.batch_type != "local":
            raise ConfigurationError(
                f"TaskVineFactoryConfig(batch_type={factory.batch_type!r}): jobs come from a provider. Write "
                f"{owner}(worker_launch_method='provider', provider=SlurmProvider(...)), or that of your system."
            )
        for name in ("min_workers", "max_workers"):
            need_number("TaskVineFactoryConfig", name, getattr(factory, name), at_least=0, example="1")
        for name in ("cores", "gpus", "memory", "disk"):
            value = getattr(factory, name)
            need_number("TaskVineFactoryConfig", name, value, at_least=0, optional=True, example="4")
        instead = "the provider's worker_init=, or by init_command="
        no_environments(self.manager_config, ("env_pack", "app_pack", "extra_pkgs"), instead)
        no_environments(factory, ("python_env",), instead)
        exports("TaskVineManagerConfig", "env_vars", self.manager_config.env_vars, "")

    def _note_configs(self) -> None:
        for config, used in ((self.manager_config, _MANAGER_USED), (self.factory_config, _FACTORY_USED)):
            unused = {field.name: field.default for field in fields(config) if field.name not in used}
            note_unused(type(config).__name__, config, unused)

    def worker_setup(self) -> str:
        return exports(
            "TaskVineManagerConfig", "env_vars", self.manager_config.env_vars, self.manager_config.init_command
        )

    def node_resources(self) -> dict[str, float]:
        found = super().node_resources()
        if self.worker_launch_method == "factory":
            for kind in ("cores", "memory", "disk", "gpus"):
                value = getattr(self.factory_config, kind)
                if value is not None:
                    found[kind] = value
        return found

    def validate_resource_spec(self, resource_specification: Mapping[str, Any] | None) -> None:
        super().validate_resource_spec(resource_specification)
        mode = (resource_specification or {}).get("exec_mode")
        if mode is not None and mode not in _MODES:
            raise InvalidResourceSpecification({"exec_mode"}, f"exec_mode is 'regular' or 'serverless', not {mode!r}.")
