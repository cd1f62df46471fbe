"""The provider for the Jetstream cloud, which Parsl removed in 2020 and which is refused here."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.old_spellings.legacy import refused


class JetstreamProvider:
    """Refused.

    Raises
    ------
    ConfigurationError
        Always; the text names what to use instead.
    """

    def __init__(self, config: Any = None, poolname: str | None = None) -> None:
        raise ConfigurationError(
            "JetstreamProvider: that cloud is gone, and Parsl removed the provider in 2020. On Jetstream2, start a "
            "Dask cluster (dask-kubernetes, or `dask scheduler` and `dask worker` on its machines) and write "
            "DaskExecutor('tls://host:8786', security=...)."
        )

    @property
    def status_polling_interval(self) -> int:
        """60 seconds."""
        return 60


__getattr__ = refused(
    __name__,
    {
        "setup_script": "that cloud is gone, and with it the text that its machines began with. Give the commands that "
        "a machine needs to the provider's worker_init=."
    },
)
