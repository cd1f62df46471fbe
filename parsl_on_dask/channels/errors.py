"""Errors of Parsl's channels, kept for ``except`` clauses."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.errors import ParslError


class ChannelError(ParslError):
    """Common base.

    Parameters
    ----------
    reason : str
    e : Exception
        What happened underneath.
    hostname : str
        Where.
    """

    def __init__(self, reason: str, e: Any, hostname: str) -> None:
        super().__init__(reason, e, hostname)
        self.reason = reason
        self.e = e
        self.hostname = hostname

    def __str__(self) -> str:
        return f"Hostname:{self.hostname}, Reason:{self.reason}"


class FileCopyException(ChannelError):
    """A file could not be copied."""

    def __init__(self, e: Any, hostname: str) -> None:
        super().__init__(f"File copy failed due to {e!r}", e, hostname)
        self.args = (e, hostname)
