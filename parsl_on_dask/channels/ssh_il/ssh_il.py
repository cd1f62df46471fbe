"""The channel over ssh that asked for a password."""

from __future__ import annotations

from parsl_on_dask.channels.ssh.ssh import SSHChannel


class SSHInteractiveLoginChannel(SSHChannel):
    """Refused, as every :class:`~parsl_on_dask.channels.ssh.ssh.SSHChannel` is."""


DeprecatedSSHInteractiveLoginChannel = SSHInteractiveLoginChannel
