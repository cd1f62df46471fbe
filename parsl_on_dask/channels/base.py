"""What channels have in common."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Any


class Channel(ABC):
    """Abstract base of channels."""

    #: Directory for submit scripts.
    script_dir: str | None = None

    @abstractmethod
    def execute_wait(
        self, cmd: str, walltime: float | None = None, envs: Any = None, *args: Any, **kwargs: Any
    ) -> tuple[int, str, str]:
        """Run a command and return its exit code, stdout and stderr."""

    @abstractmethod
    def push_file(self, source: str, dest_dir: str) -> str:
        """Copy a file to the side of the channel, and return its path there."""

    @abstractmethod
    def pull_file(self, remote_source: str, local_dir: str) -> str:
        """Copy a file from the side of the channel, and return its path here."""

    def isdir(self, path: str) -> bool:
        """Whether ``path`` is a directory."""
        return os.path.isdir(path)

    def makedirs(self, path: str, mode: int = 0o700, exist_ok: bool = False) -> None:
        """Make a directory and those above it."""
        os.makedirs(path, mode, exist_ok)

    def abspath(self, path: str) -> str:
        """Return ``path`` made absolute."""
        return os.path.abspath(path)

    def close(self) -> bool:
        """Return False: there is nothing to close."""
        return False


class Channeled:
    """Marks a provider that had one channel; means nothing now."""


class MultiChanneled:
    """Marks a provider that had several channels; means nothing now."""
