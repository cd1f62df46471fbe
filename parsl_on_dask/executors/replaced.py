"""Executors that Parsl has removed, each as the executor that took its place."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.common.arguments import passed_on
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
from parsl_on_dask.executors.threads import check_managed
from parsl_on_dask.old_spellings.legacy import note_once, warn_once
from parsl_on_dask.providers.base import ExecutionProvider


class ExtremeScaleExecutor(HighThroughputExecutor):
    """A :class:`~parsl_on_dask.executors.HighThroughputExecutor` with a fixed number of workers on each node.

    The parameters are Parsl's, which had it until 2023. Its workers were the ranks of an MPI program:
    ``ranks_per_node`` is today's ``max_workers_per_node``, and default 1. One of Parsl's ranks of each block gave out
    the work and ran none.
    """

    def __init__(
        self,
        label: str = "ExtremeScaleExecutor",
        provider: ExecutionProvider | None = None,
        launch_cmd: str | None = None,
        address: str | None = "127.0.0.1",
        worker_ports: tuple[int, int] | None = None,
        worker_port_range: tuple[int, int] | None = (54000, 55000),
        interchange_port_range: tuple[int, int] | None = (55000, 56000),
        storage_access: list[Any] | None = None,
        working_dir: str | None = None,
        worker_debug: bool = False,
        ranks_per_node: int = 1,
        heartbeat_threshold: int = 120,
        heartbeat_period: int = 30,
        managed: bool | None = None,
    ) -> None:
        given = passed_on(locals(), "ranks_per_node")
        warn_once(
            "ExtremeScaleExecutor",
            "ExtremeScaleExecutor is gone: write HighThroughputExecutor(...), or MPIExecutor(...) for apps that start "
            "MPI programs.",
        )
        self.ranks_per_node = ranks_per_node
        super().__init__(**given, max_workers_per_node=ranks_per_node)


class LowLatencyExecutor(HighThroughputExecutor):
    """A :class:`~parsl_on_dask.executors.HighThroughputExecutor` with a fixed number of workers on each node.

    The parameters are Parsl's, which had it until 2023; ``workers_per_node`` is today's ``max_workers_per_node``, and
    default 1.
    """

    def __init__(
        self,
        label: str = "LowLatencyExecutor",
        provider: ExecutionProvider | None = None,
        launch_cmd: str | None = None,
        address: str | None = "127.0.0.1",
        worker_port: int | None = None,
        worker_port_range: tuple[int, int] | None = (54000, 55000),
        interchange_port_range: tuple[int, int] | None = (55000, 56000),
        working_dir: str | None = None,
        worker_debug: bool = False,
        workers_per_node: int = 1,
        managed: bool | None = None,
        storage_access: list[Any] | None = None,
    ) -> None:
        given = passed_on(locals(), "workers_per_node")
        warn_once("LowLatencyExecutor", "LowLatencyExecutor is gone: write HighThroughputExecutor(...).")
        super().__init__(**given, max_workers_per_node=workers_per_node)


class IPyParallelExecutor(HighThroughputExecutor):
    """A :class:`~parsl_on_dask.executors.HighThroughputExecutor` with a fixed number of workers on each node.

    Parameters
    ----------
    provider : ExecutionProvider, optional
    label : str
        Default ``"ipp"``.
    working_dir : str, optional
    controller, engine_dir, engine_debug_level
        Of IPython Parallel: accepted, without effect.
    container_image : str, optional
        Refused: start the workers in a container by the provider's launcher.
    storage_access : list of Staging, optional
    managed : bool
        Accepted when True.
    workers_per_node : int
        Default 1.
    """

    _legacy_arguments = frozenset({"controller", "engine_dir", "engine_debug_level", "container_image", "managed"})

    def __init__(
        self,
        provider: ExecutionProvider | None = None,
        label: str = "ipp",
        working_dir: str | None = None,
        controller: Any = None,
        container_image: str | None = None,
        engine_dir: str | None = None,
        storage_access: list[Any] | None = None,
        engine_debug_level: Any = None,
        workers_per_node: int = 1,
        managed: bool = True,
    ) -> None:
        warn_once("IPyParallelExecutor", "IPyParallelExecutor is gone: write HighThroughputExecutor(...).")
        if container_image is not None:
            raise ConfigurationError(
                f"IPyParallelExecutor(container_image={container_image!r}): to start the workers in a container write "
                "HighThroughputExecutor(provider=LocalProvider(launcher=WrappedLauncher("
                f"'docker run {container_image}')))."
            )
        if not managed:
            check_managed(type(self).__name__, managed)
        for name, value in (("engine_dir", engine_dir), ("engine_debug_level", engine_debug_level)):
            if value is not None:
                note_once(f"ipp.{name}", f"IPyParallelExecutor({name}=) has no meaning on Dask and is not used")
        self.controller = controller
        self.container_image = container_image
        self.engine_dir = engine_dir
        self.engine_debug_level = engine_debug_level
        self.managed = managed
        super().__init__(
            label=label,
            provider=provider,
            working_dir=working_dir,
            storage_access=storage_access,
            max_workers_per_node=workers_per_node,
        )


class Controller:
    """That of ``IPyParallelExecutor``: accepted, and means nothing. A Dask scheduler takes its place.

    Parameters
    ----------
    *args, **kwargs
        Kept.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warn_once("ipp.Controller", "Controller() has no meaning any more: a Dask scheduler replaces it.")
        self.args = args
        self.kwargs = kwargs
