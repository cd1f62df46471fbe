"""The provider for hosts that ssh reaches, which Parsl removed in 2024 and which is refused here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parsl_on_dask.channels.ssh.ssh import SSHChannel
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.jobs.states import JobStatus
from parsl_on_dask.providers.base import ExecutionProvider


class AdHocProvider(ExecutionProvider):
    """Refused: ``DaskExecutor(hosts=[...])`` starts workers on hosts that ssh reaches.

    The parameters are Parsl's.

    Raises
    ------
    ConfigurationError
        Always; the text names what to use instead.
    """

    def __init__(
        self,
        channels: Sequence[Any] = (),
        worker_init: str = "",
        cmd_timeout: float = 30,
        parallelism: float = 1,
        move_files: bool | None = None,
    ) -> None:
        hosts = [channel.host for channel in channels if isinstance(channel, SSHChannel)]
        raise ConfigurationError(
            "AdHocProvider: Parsl removed it, and its channels, in 2024. Write the executor "
            f"DaskExecutor(hosts={hosts or ['node1', 'me@node2']!r}) for hosts that ssh reaches without a "
            "password, and HighThroughputExecutor() for this machine."
        )

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.auto") -> object:
        """Never reached, since none can be constructed."""
        return None

    def status(self, job_ids: Sequence[Any]) -> list[JobStatus]:
        """Return an empty list."""
        return []

    def cancel(self, job_ids: Sequence[Any]) -> list[bool]:
        """Return an empty list."""
        return []

    @property
    def label(self) -> str:
        """``"ad-hoc"``."""
        return "ad-hoc"

    @property
    def status_polling_interval(self) -> int:
        """10 seconds."""
        return 10


DeprecatedAdHocProvider = AdHocProvider
