"""Channels of Parsl releases until 2024, which carried commands to where blocks are submitted from.

``LocalChannel`` is accepted, since it changes nothing. Channels over ssh are refused.
"""

from __future__ import annotations

from parsl_on_dask.channels.base import Channel
from parsl_on_dask.channels.local.local import LocalChannel
from parsl_on_dask.channels.oauth_ssh.oauth_ssh import OAuthSSHChannel
from parsl_on_dask.channels.ssh.ssh import SSHChannel
from parsl_on_dask.channels.ssh_il.ssh_il import SSHInteractiveLoginChannel
from parsl_on_dask.importing.lazily import lazily

__all__ = ["Channel", "LocalChannel", "OAuthSSHChannel", "SSHChannel", "SSHInteractiveLoginChannel"]

__getattr__, __dir__ = lazily(__name__)
