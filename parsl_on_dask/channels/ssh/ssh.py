"""Channels over ssh, which Parsl removed in 2024 and which are refused here."""

from __future__ import annotations

from collections.abc import Mapping

from parsl_on_dask.channels.local.local import LocalChannel
from parsl_on_dask.errors import ConfigurationError


# It has the interface of the one that works, and none can be constructed
class SSHChannel(LocalChannel):
    """Refused: a script runs on the machine that submits its blocks.

    Raises
    ------
    ConfigurationError
        Always; the text names what to do instead.
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
        raise ConfigurationError(
            f"{type(self).__name__}({hostname!r}): submitting over ssh is not supported (Parsl removed it in 2024.8). "
            f"Run the script on {hostname} and leave the channel out, or start a Dask cluster there and use "
            "DaskExecutor('tcp://...') with its scheduler's address."
        )

    def push_file(self, local_source: str, remote_dir: str) -> str:
        """Never reached, since none can be constructed."""
        return super().push_file(local_source, remote_dir)

    def prepend_envs(self, cmd: str, env: Mapping[str, str] = {}) -> str:  # Parsl's signature
        """Return a command that runs with additional environment variables."""
        return f"env {' '.join(f'{name}={value}' for name, value in env.items())} {cmd}" if env else cmd


DeprecatedSSHChannel = SSHChannel


class NoAuthSSHClient:
    """Refused, as :class:`SSHChannel` is."""

    def __init__(self) -> None:
        raise ConfigurationError("NoAuthSSHClient: submitting over ssh is not supported (Parsl removed it in 2024.8).")
