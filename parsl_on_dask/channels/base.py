"""What channels have in common, and how providers still take one."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from parsl_on_dask.arguments import short, wrong_type
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.legacy import warn_once


class Channel(ABC):
    """Abstract base of channels."""

    @abstractmethod
    def execute_wait(self, cmd: str, walltime: float | None = None) -> tuple[int, str, str]:
        """Run a command and return its exit code, stdout and stderr."""

    @abstractmethod
    def push_file(self, source: str, dest_dir: str) -> str:
        """Copy a file to the side of the channel, and return its path there."""

    @abstractmethod
    def pull_file(self, remote_source: str, local_dir: str) -> str:
        """Copy a file from the side of the channel, and return its path here."""


class Channeled:
    """Marks a provider that had one channel; means nothing now."""


class MultiChanneled:
    """Marks a provider that had several channels; means nothing now."""


def takes_channel(init: Callable[..., None]) -> Callable[..., None]:
    """Let a provider's constructor take a channel as its first positional argument, where Parsl had it.

    The constructor itself takes it by the name ``channel``.
    """

    @functools.wraps(init)
    def with_channel(self: Any, *args: Any, **kwargs: Any) -> None:
        if args and isinstance(args[0], Channel):
            if "channel" in kwargs:
                raise ConfigurationError(f"{type(self).__name__}: the channel is given twice. Write no channel at all.")
            kwargs["channel"] = args[0]
            args = args[1:]
        init(self, *args, **kwargs)

    return with_channel


def check_channel(owner: str, channel: Any) -> None:
    """Accept a local channel, with a warning, and refuse any other."""
    from parsl_on_dask.channels.local.local import LocalChannel

    if channel is None:
        return
    if not isinstance(channel, Channel):
        raise wrong_type(owner, "channel", channel, "a LocalChannel or None", "Write no channel at all.")
    if not isinstance(channel, LocalChannel):
        raise ConfigurationError(
            f"{owner}(channel={short(channel)}): blocks are submitted from the machine that the script runs on. "
            "Run the script there and write no channel."
        )
    warn_once("provider.channel", f"{owner}(channel=LocalChannel()): providers have no channel any more; leave it out.")
