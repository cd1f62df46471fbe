"""Errors of Parsl's channels, kept for ``except`` clauses. All but :class:`FileCopyException` are never raised."""

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


class _OnHost(ChannelError):
    """One whose reason is always the same text."""

    _reason = ""

    def __init__(self, e: Any, hostname: str) -> None:
        super().__init__(self._reason.format(e=e), e, hostname)
        self.args = (e, hostname)


class BadHostKeyException(_OnHost):
    """A host was not who it should be."""

    _reason = "The host's key is not the one that is known"


class BadScriptPath(_OnHost):
    """The directory for scripts could not be used."""

    _reason = "The directory for submit scripts cannot be reached"


class BadPermsScriptPath(_OnHost):
    """The directory for scripts could not be written."""

    _reason = "The directory for submit scripts cannot be written"


class AuthException(_OnHost):
    """A host did not let the user in."""

    _reason = "The host did not accept the user"


class SSHException(_OnHost):
    """A connection failed."""

    _reason = "No connection by ssh"


class FileCopyException(_OnHost):
    """A file could not be copied."""

    _reason = "File copy failed due to {e!r}"


class FileExists(ChannelError):
    """A file was there already."""

    def __init__(self, e: Any, hostname: str, filename: str | None = None) -> None:
        super().__init__(f"{filename} is there already", e, hostname)
        self.args = (e, hostname, filename)


class ChannelRequired(ParslError):
    """A provider had no channel."""

    def __init__(self, provider: Any, reason: str | None = None) -> None:
        super().__init__(provider, reason)
        self.provider = provider
        self.reason = reason
