"""Channels over ssh, which Parsl removed in 2024 and which are refused here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parsl_on_dask.channels.base import Channel
from parsl_on_dask.errors import ConfigurationError


class SSHChannel(Channel):
    """Refused where it is used: a script runs on the machine that submits its blocks.

    It can be made, so that what is given one, such as an ``AdHocProvider``, can say what to write for its host.

    Attributes
    ----------
    hostname : str
    username : str or None
    port : int
    """

    def __init__(
        self,
        hostname: str,
        username: str | None = None,
        password: str | None = None,
        script_dir: str | None = None,
        envs: dict[str, str] | None = None,
        gssapi_auth: bool = False,
        skip_auth: bool = False,
        port: int = 22,
        key_filename: str | None = None,
        host_keys_filename: str | None = None,
    ) -> None:
        self.hostname = hostname
        self.username = username
        self.port = port

    @property
    def host(self) -> str:
        """The host, as ``DaskExecutor(hosts=[...])`` has it."""
        return self.hostname if self.username is None else f"{self.username}@{self.hostname}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.hostname!r})"

    def refusal(self) -> ConfigurationError:
        """Make the error that says what to do instead."""
        return ConfigurationError(
            f"{self!r}: submitting over ssh is not supported (Parsl removed it in 2024.8). Run the script on "
            f"{self.hostname} and leave the channel out. For workers on machines that ssh reaches without a password, "
            f"write the executor DaskExecutor(hosts=[{self.host!r}])."
        )

    def execute_wait(
        self, cmd: str, walltime: float | None = None, envs: Any = None, *args: Any, **kwargs: Any
    ) -> tuple[int, str, str]:
        """Refuse.

        Raises
        ------
        ConfigurationError
            Always; the text names what to do instead. So do all other methods.
        """
        raise self.refusal()

    def push_file(self, local_source: str, remote_dir: str) -> str:
        """Refuse."""
        raise self.refusal()

    def pull_file(self, remote_source: str, local_dir: str) -> str:
        """Refuse."""
        raise self.refusal()

    def isdir(self, path: str) -> bool:
        """Refuse."""
        raise self.refusal()

    def makedirs(self, path: str, mode: int = 0o700, exist_ok: bool = False) -> None:
        """Refuse."""
        raise self.refusal()

    def prepend_envs(self, cmd: str, env: Mapping[str, str] = {}) -> str:  # Parsl's signature
        """Return a command that runs with additional environment variables."""
        return f"env {' '.join(f'{name}={value}' for name, value in env.items())} {cmd}" if env else cmd


DeprecatedSSHChannel = SSHChannel


class NoAuthSSHClient:
    """Refused, as :class:`SSHChannel` is."""

    def __init__(self) -> None:
        raise ConfigurationError("NoAuthSSHClient: submitting over ssh is not supported (Parsl removed it in 2024.8).")
