"""Apps that say which resources they need, by the interface of Work Queue's executor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from parsl_on_dask.common.arguments import need, need_number
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.old_errors import WorkQueueFailure
from parsl_on_dask.executors.resources import ResourceExecutor, exports, no_environments
from parsl_on_dask.executors.threads import check_managed
from parsl_on_dask.old_spellings.dialect import old_defaults
from parsl_on_dask.old_spellings.legacy import note_unused, warn_once
from parsl_on_dask.providers.base import ExecutionProvider

#: Arguments that steer Work Queue itself, and their defaults.
_TRANSPORT: dict[str, Any] = {
    "project_name": None,
    "project_password_file": None,
    "port": 9123,
    "shared_fs": False,
    "use_cache": False,
    "source": False,
    "autolabel_window": 1,
    "autocategory": True,
    "max_retries": 1,
    "worker_options": "",
    "full_debug": True,
    "worker_executable": "work_queue_worker",
    "function_dir": None,
    "coprocess": False,
}

#: Arguments that are kept as they are.
_KEPT = (*_TRANSPORT, "env", "pack", "extra_pkgs", "autolabel", "init_command", "scaling_cores_per_worker")


class WorkQueueExecutor(ResourceExecutor):
    """Runs apps in worker processes, as many on a node at a time as their resources allow.

    ``parsl_resource_specification`` takes ``cores``, ``memory`` and ``disk`` (MB), which are given all or not at all,
    ``gpus``, ``priority`` (the highest runs first) and ``running_time_min`` (seconds: the call is not begun in a job
    that ends earlier). A call that asks for none of the first three has a node for itself. A call that asks for more
    than any node has fails. Nothing keeps a call from taking more than it asked for.

    Where the interface comes from: Parsl's ``parsl.executors.workqueue``. Work Queue is not used: the workers are
    Dask's, and files are where the provider's jobs see them.

    Parameters
    ----------
    label : str
    provider : ExecutionProvider, optional
        Where blocks come from. Default ``LocalProvider()``.
    working_dir : str
        Where staged files go. Default ``"."``.
    address : str, optional
        Address of this machine that workers connect to.
    env : dict, optional
        Environment variables of the workers.
    storage_access : list of Staging, optional
    autolabel : bool
        Let calls name some of cores, memory and disk; of the others they get the same share. Default False.
    init_command : str
        Shell command that is run before workers start.
    scaling_cores_per_worker : int
        Cores that a node is expected to have, for scaling. Default 1.
    remote_monitoring_radio : optional
    pack, extra_pkgs
        Refused: environments are not sent to the workers.
    project_name, project_password_file, port, shared_fs, use_cache, source, autolabel_window, autocategory, \
max_retries, worker_options, full_debug, worker_executable, function_dir, coprocess
        They steer Work Queue: accepted, kept and shown.
    managed : bool, optional
        Of Parsl's earlier releases.

    Raises
    ------
    ConfigurationError
        When an argument cannot be used.

    Examples
    --------
    >>> WorkQueueExecutor(port=0, shared_fs=True).label
    'WorkQueueExecutor'
    """

    _legacy_arguments = frozenset({"managed"})

    env: dict[str, str] | None
    autolabel: bool
    init_command: str
    scaling_cores_per_worker: int

    @old_defaults
    def __init__(
        self,
        label: str = "WorkQueueExecutor",
        provider: ExecutionProvider | None = None,
        working_dir: str = ".",
        project_name: str | None = None,
        project_password_file: str | None = None,
        address: str | None = None,
        port: int = 9123,
        env: dict[str, str] | None = None,
        shared_fs: bool = False,
        storage_access: list[Any] | None = None,
        use_cache: bool = False,
        source: bool = False,
        pack: bool = False,
        extra_pkgs: list[str] | None = None,
        autolabel: bool = False,
        autolabel_window: int = 1,
        autocategory: bool = True,
        max_retries: int | None = 1,
        init_command: str = "",
        worker_options: str = "",
        full_debug: bool = True,
        worker_executable: str = "work_queue_worker",
        function_dir: str | None = None,
        coprocess: bool = False,
        scaling_cores_per_worker: int = 1,
        remote_monitoring_radio: Any = None,
        *,
        managed: bool | None = None,
    ) -> None:
        given, owner = dict(locals()), type(self).__name__
        if managed is not None:
            check_managed(owner, managed)
        for name in _KEPT:
            setattr(self, name, given[name])
        super().__init__(
            label=label,
            provider=provider,
            address=address,
            working_dir=working_dir,
            storage_access=storage_access,
            remote_monitoring_radio=remote_monitoring_radio,
            encrypted=True,  # in every dialect: there is no argument that says otherwise
        )
        if project_password_file is not None and not os.path.exists(project_password_file):
            raise WorkQueueFailure(
                f"{owner}(project_password_file={project_password_file!r}): there is no such file. Leave it out: "
                "workers and script know each other by certificates of the run."
            )
        note_unused(owner, self, _TRANSPORT)
        if autolabel:
            warn_once(
                f"{owner}.autolabel",
                f"{owner}(autolabel=True): what calls use is not measured here. Calls that name some of cores, memory "
                "and disk get the same share of the others; name them all.",
                category=UserWarning,
            )

    def validate(self) -> None:
        super().validate()
        owner = type(self).__name__
        need(owner, "autolabel", self.autolabel, bool)
        need(owner, "init_command", self.init_command, str)
        need_number(owner, "scaling_cores_per_worker", self.scaling_cores_per_worker, at_least=1, example="1")
        no_environments(self, ("pack", "extra_pkgs"), "the provider's worker_init=")
        exports(owner, "env", self.env, "")

    def worker_setup(self) -> str:
        return exports(type(self).__name__, "env", self.env, self.init_command)

    @property
    def workers_per_node(self) -> int:
        """How many calls with one core a node runs at a time, as far as the configuration says."""
        return int(getattr(self.provider, "cores_per_node", None) or self.scaling_cores_per_worker)

    def validate_resource_spec(self, resource_specification: Mapping[str, Any] | None) -> None:
        super().validate_resource_spec(resource_specification)
        given = {key for key, value in (resource_specification or {}).items() if value is not None}
        missing = {"cores", "memory", "disk"} - given
        if not self.autolabel and 0 < len(missing) < 3:
            raise InvalidResourceSpecification(
                given,
                f"{type(self).__name__} {self.label!r} takes cores, memory and disk (MB) together: "
                f"{', '.join(sorted(missing))} is missing. Name all three, or none to have a node for the call alone.",
            )
