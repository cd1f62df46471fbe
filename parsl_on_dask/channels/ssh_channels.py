"""Channels over ssh, which Parsl removed in 2024 and which are refused here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from parsl_on_dask.channels.base import Channel
from parsl_on_dask.common.refused_classes import refused_class, with_parameters
from parsl_on_dask.errors import ConfigurationError


def _refused(parameters: str) -> Any:
    def refuse(self: SSHChannel, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise self.refusal()

    return with_parameters(refuse, parameters)


class SSHChannel(Channel):
    """Refused where it is used: a script runs on the machine that submits its blocks.

    It can be made, so that what is given one, such as an ``AdHocProvider``, can say what to write for its host. All
    methods that do something raise a :class:`~parsl_on_dask.errors.ConfigurationError` that says it.

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

    execute_wait = _refused("cmd, walltime=None, envs=None, *args, **kwargs")
    push_file = _refused("local_source, remote_dir")
    pull_file = _refused("remote_source, local_dir")
    isdir = _refused("path")
    makedirs = _refused("path, mode=448, exist_ok=False")

    def prepend_envs(self, cmd: str, env: Mapping[str, str] = {}) -> str:  # Parsl's signature
        """Return a command that runs with additional environment variables."""
        return f"env {' '.join(f'{name}={value}' for name, value in env.items())} {cmd}" if env else cmd


class SSHInteractiveLoginChannel(SSHChannel):
    """The one that asked for a password."""


class OAuthSSHChannel(SSHChannel):
    """The one that logged in by OAuth."""


NoAuthSSHClient = refused_class(
    __name__, "NoAuthSSHClient", "submitting over ssh is not supported (Parsl removed it in 2024.8)."
)
