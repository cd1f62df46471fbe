"""Channels of Parsl releases until 2024, which carried commands to where blocks are submitted from.

``LocalChannel`` is accepted, since it changes nothing. Channels over ssh are refused.
"""

from __future__ import annotations

from parsl_on_dask.channels.base import Channel
from parsl_on_dask.channels.local_channel import LocalChannel
from parsl_on_dask.channels.ssh_channels import OAuthSSHChannel, SSHChannel, SSHInteractiveLoginChannel
from parsl_on_dask.importing.lazily import lazily

__all__ = ["Channel", "LocalChannel", "OAuthSSHChannel", "SSHChannel", "SSHInteractiveLoginChannel"]

__getattr__, __dir__ = lazily(__name__)
