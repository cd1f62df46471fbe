"""The channel over ssh that logged in by OAuth."""

from __future__ import annotations

from parsl_on_dask.channels.ssh.ssh import SSHChannel


class OAuthSSHChannel(SSHChannel):
    """Refused, as every :class:`~parsl_on_dask.channels.ssh.ssh.SSHChannel` is."""


DeprecatedOAuthSSHChannel = OAuthSSHChannel
