"""The base of executors whose calls say which resources they need."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from parsl_on_dask.common.arguments import need, short
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
from parsl_on_dask.executors.specifications import refuse_keys
from parsl_on_dask.old_spellings.legacy import warn_once

NUMBERS = ("cores", "memory", "disk", "gpus", "priority", "running_time_min")


class ResourceExecutor(HighThroughputExecutor):
    """Base of :class:`WorkQueueExecutor` and :class:`TaskVineExecutor`.

    A node has as many worker processes as cores, and a call is sent when a node has left what it asks for.
    """

    by_resources = True
    limits_memory = False
    #: Keys that a resource specification may have.
    keys: tuple[str, ...] = NUMBERS
    _described_provider: Any = None

    def node_resources(self) -> dict[str, float]:
        """What each node has, as far as the configuration says; the rest is measured there."""
        found: dict[str, float] = {}
        cores = getattr(self.provider, "cores_per_node", None)
        memory = getattr(self.provider, "mem_per_node", None)
        if cores is not None:
            found["cores"] = cores
        if memory is not None:
            found["memory"] = memory * 1024
        return found

    def worker_setup(self) -> str:
        """Shell text that is run before the workers start."""
        return ""

    def start(self) -> None:
        setup = self.worker_setup()
        if setup and self._described_provider is None:
            if not hasattr(self.provider, "worker_init"):
                raise ConfigurationError(
                    f"Executor {self.label}: {type(self.provider).__name__} has no worker_init, by which environment "
                    "variables and commands get to the workers. Leave env and init_command out."
                )
            # the user's provider stays as it is
            provider: Any = copy.copy(self.provider)
            provider.worker_init = f"{setup}\n{provider.worker_init or ''}"
            self._described_provider, self._provider = self._provider, provider
        super().start()

    def shutdown(self, *args: Any, **kwargs: Any) -> None:
        """End the workers; calls that are not done fail. Quiet when nothing is started.

        Arguments are those of Parsl's signature, which have no meaning there either.
        """
        super().shutdown()

    def scale_in(
        self,
        blocks: int | None = None,
        max_idletime: float | None = None,
        *,
        block_ids: Sequence[str] = (),
        force: bool | None = None,
        count: int | None = None,
    ) -> list[str]:
        """Give blocks back; ``count`` is what ``blocks`` was called until 2024."""
        if count is not None:
            warn_once(f"{type(self).__name__}.scale_in.count", "scale_in(count=) is now scale_in(blocks=).")
            blocks = count if blocks is None else blocks
        return super().scale_in(blocks, max_idletime, block_ids=block_ids, force=force)

    def _close(self, wait: bool) -> None:
        super()._close(wait)
        if self._described_provider is not None:
            self._provider, self._described_provider = self._described_provider, None

    def validate_resource_spec(self, resource_specification: Mapping[str, Any] | None) -> None:
        """Raise for keys or values that cannot be used.

        Raises InvalidResourceSpecification.
        """
        refuse_keys(self, resource_specification, self.keys)
        for name, value in (resource_specification or {}).items():
            if name not in NUMBERS or value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or (value < 0 and name != "priority"):
                unit = " of MB" if name in ("memory", "disk") else ""
                raise InvalidResourceSpecification({name}, f"{name} must be a number{unit}, not {short(value)}.")
            if name == "gpus" and value != int(value):
                raise InvalidResourceSpecification({name}, f"gpus must be a whole number, not {short(value)}.")


def no_environments(described: Any, names: Sequence[str], instead: str) -> None:
    """Raise for arguments by which environments would be sent to the workers."""
    for name in names:
        if getattr(described, name):
            raise ConfigurationError(
                f"{type(described).__name__}({name}={getattr(described, name)!r}): environments are not sent to the "
                f"workers. Leave it out, and activate an environment that has what the apps need by {instead}."
            )


def exports(owner: str, name: str, variables: Any, command: str) -> str:
    """Shell text that sets environment variables and runs a command."""
    need(owner, name, variables, dict, type(None), hint=f"Write for example {name}={{'OMP_NUM_THREADS': '1'}}.")
    lines = [f"export {key}={shlex.quote(str(value))}" for key, value in (variables or {}).items()]
    return "\n".join([*lines, command] if command else lines)
