"""The argument ``channel`` of providers, which is still accepted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from parsl_on_dask.channels.base import Channel
from parsl_on_dask.channels.local_channel import LocalChannel
from parsl_on_dask.channels.ssh_channels import SSHChannel
from parsl_on_dask.common.arguments import short, wrong_type
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.old_spellings.legacy import warn_once

T = TypeVar("T")


def takes_channel(cls: type[T], behind: Sequence[str] = ()) -> type[T]:
    """Let the constructor of a provider take a channel among its positional arguments, where Parsl had it.

    The constructor itself takes it by the name ``channel``.

    Parameters
    ----------
    cls : type
    behind : sequence of str, optional
        Names of the arguments that followed the channel, where they are elsewhere today.
    """
    init: Callable[..., None] = cls.__init__

    @functools.wraps(init)
    def with_channel(self: Any, *args: Any, **kwargs: Any) -> None:
        at = next((i for i, argument in enumerate(args) if isinstance(argument, Channel)), None)
        if at is not None:
            owner, rest = type(self).__name__, args[at + 1 :]
            if "channel" in kwargs:
                raise ConfigurationError(f"{owner}: the channel is given twice. Write no channel at all.")
            if behind and len(rest) > len(behind):
                raise ConfigurationError(f"{owner}: write the arguments behind the channel by name.")
            named = dict(zip(behind, rest, strict=False))
            for name in named.keys() & kwargs.keys():
                raise TypeError(f"{owner} got multiple values for argument {name!r}")
            kwargs.update(named, channel=args[at])
            args = args[:at] + (() if behind else rest)
        init(self, *args, **kwargs)

    cls.__init__ = with_channel  # type: ignore[method-assign]
    return cls


def check_channel(owner: str, channel: Any) -> None:
    """Accept a local channel, with a warning, and refuse any other."""
    if channel is None:
        return
    if not isinstance(channel, Channel):
        raise wrong_type(owner, "channel", channel, "a LocalChannel or None", "Write no channel at all.")
    if isinstance(channel, SSHChannel):
        raise channel.refusal()
    if not isinstance(channel, LocalChannel):
        raise ConfigurationError(
            f"{owner}(channel={short(channel)}): blocks are submitted from the machine that the script runs on. "
            "Run the script there and write no channel."
        )
    warn_once("provider.channel", f"{owner}(channel=LocalChannel()): providers have no channel any more; leave it out.")
