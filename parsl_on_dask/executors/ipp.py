"""``IPyParallelExecutor``, which Parsl removed in 2022, as the executor that took its place."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
from parsl_on_dask.executors.threads import check_managed
from parsl_on_dask.old_spellings.legacy import note_once, warn_once
from parsl_on_dask.providers.base import ExecutionProvider


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
