"""How the calls of one app are cached, where that differs from the other apps of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from parsl_on_dask.errors import ConfigurationError

# here and not with the code that they choose, since every script imports this module

Identity = Literal["name", "source"]
IDENTITIES: tuple[Identity, ...] = ("name", "source")
FilePolicy = Literal["path", "stat", "content"]
FILE_POLICIES: tuple[FilePolicy, ...] = ("path", "stat", "content")

T = TypeVar("T")


def chosen(value: object, choices: Sequence[T], complaint: str) -> T:
    """The one of some choices that a value equals.

    Raises
    ------
    ConfigurationError
        When it equals none.

    Examples
    --------
    >>> chosen("stat", FILE_POLICIES, "no policy")
    'stat'
    """
    for known in choices:
        if value == known:
            return known
    raise ConfigurationError(complaint)


@dataclass(frozen=True)
class Cache:
    """What ``cache=`` of an app may be, instead of True.

    Parameters
    ----------
    version : str or int, optional
        Names the app's code: change it when results made before are of no use any more. It replaces `identity`.
    identity : "name" or "source", optional
        What identifies the app's code: its name and module, as in Parsl, or its text. Default: what the memoizer says.
    files : "path", "stat" or "content", optional
        What identifies a File that is an input: its path; path, size and time of change; or its bytes. Default: what
        the memoizer says.

    Raises
    ------
    ConfigurationError
        For anything else.

    Examples
    --------
    >>> from parsl_on_dask import python_app
    >>> @python_app(cache=Cache(version="2"))
    ... def fit(x):
    ...     return x
    """

    version: str | int | None = None
    identity: Identity | None = None
    files: FilePolicy | None = None

    def __post_init__(self) -> None:
        if self.version is not None and type(self.version) not in (str, int):
            raise ConfigurationError(f"Cache(version={self.version!r}): write a str or an int, such as version='2'")
        if self.version is not None and self.identity is not None:
            raise ConfigurationError(
                f"Cache(version={self.version!r}, identity={self.identity!r}): a version stands for the code, so leave "
                "identity out"
            )
        if self.identity is not None and self.identity not in IDENTITIES:
            raise ConfigurationError(f"Cache(identity={self.identity!r}): write 'name' or 'source'")
        if self.files is not None and self.files not in FILE_POLICIES:
            raise ConfigurationError(f"Cache(files={self.files!r}): write one of {', '.join(map(repr, FILE_POLICIES))}")
