"""A file that moves between the script and the workers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from parsl_on_dask.lanes.values import just


class TransferFile:
    """A file that moves. While this object lives, the workers keep what they have of it.

    - `key`: what the workers call it.
    - `name`: the last part of its path.
    - `path`: where it is, or is to be brought, on this machine.
    - `known`: size and time of change of the file at that path, once it is there.
    - `made`: whether there is such a file, somewhere.
    """

    def __init__(self, exchange: Exchange, url: str, name: str, path: str | None) -> None:
        self.exchange = exchange
        self.key = uuid.uuid4().hex
        self.url = url
        self.name = name
        self.path = path
        self.known: dict[str, int] | None = None
        self.made = False
        self.task = ""

    def __reduce__(self) -> tuple[Any, ...]:
        return just(None)  # workers know it by its key


def lost(moved: TransferFile, reasons: list[str]) -> str:
    """Says that a file is nowhere any more."""
    why = "; ".join(dict.fromkeys(reasons)) or "no worker has it"
    return (
        f"file {moved.url!r}, made by {moved.task or 'the script'}, is lost: {why}. Run that task again, or give such "
        "outputs a path instead of worker:, then the script has a copy"
    )


class Exchange(Protocol):
    """The files of one kernel, as a cluster sees them that they move on."""

    @property
    def moved(self) -> Mapping[str, TransferFile]:
        """The files, by key."""

    def arrived(self, moved: TransferFile) -> None: ...
    def holder(self, moved: TransferFile, but: Any = None) -> Any: ...
    def here(self, moved: TransferFile) -> str: ...
    def fetch(self, moved: TransferFile, made: Future[Any], path: str) -> str: ...
