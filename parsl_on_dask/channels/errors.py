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


class BadHostKeyException(ChannelError):
    """A host was not who it should be. Never raised."""

    def __init__(self, e: Any, hostname: str) -> None:
        super().__init__("The host's key is not the one that is known", e, hostname)
        self.args = (e, hostname)


class BadScriptPath(ChannelError):
    """The directory for scripts could not be used. Never raised."""

    def __init__(self, e: Any, hostname: str) -> None:
        super().__init__("The directory for submit scripts cannot be reached", e, hostname)
        self.args = (e, hostname)


class BadPermsScriptPath(ChannelError):
    """The directory for scripts could not be written. Never raised."""

    def __init__(self, e: Any, hostname: str) -> None:
        super().__init__("The directory for submit scripts cannot be written", e, hostname)
        self.args = (e, hostname)


class FileExists(ChannelError):
    """A file was there already. Never raised."""

    def __init__(self, e: Any, hostname: str, filename: str | None = None) -> None:
        super().__init__(f"{filename} is there already", e, hostname)
        self.args = (e, hostname, filename)


class AuthException(ChannelError):
    """A host did not let the user in. Never raised."""

    def __init__(self, e: Any, hostname: str) -> None:
        super().__init__("The host did not accept the user", e, hostname)
        self.args = (e, hostname)


class SSHException(ChannelError):
    """A connection failed. Never raised."""

    def __init__(self, e: Any, hostname: str) -> None:
        super().__init__("No connection by ssh", e, hostname)
        self.args = (e, hostname)


class FileCopyException(ChannelError):
    """A file could not be copied."""

    def __init__(self, e: Any, hostname: str) -> None:
        super().__init__(f"File copy failed due to {e!r}", e, hostname)
        self.args = (e, hostname)


class ChannelRequired(ParslError):
    """A provider had no channel. Never raised."""

    def __init__(self, provider: Any, reason: str | None = None) -> None:
        super().__init__(provider, reason)
        self.provider = provider
        self.reason = reason
