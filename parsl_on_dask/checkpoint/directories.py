"""Finds the checkpoint directories that the path on a command line means, and what is in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from parsl_on_dask.checkpoint import index, segments
from parsl_on_dask.checkpoint.entry import Entry
from parsl_on_dask.checkpoint.parsl_files import FILE_NAME, ParslFile
from parsl_on_dask.checkpoint.store import Store
from parsl_on_dask.remote import sidefiles
from parsl_on_dask.remote.trust import distrust_any
from parsl_on_dask.utils import get_all_checkpoints


class UsageError(Exception):
    """A command that makes no sense; the text says why, and what to write instead."""


def directories(path: str) -> list[str]:
    """The checkpoint directories that a path means: itself, or those of a run or of all runs.

    Raises UsageError when there is none.
    """
    if os.path.isfile(path):
        inside = os.path.dirname(path) or "."
        raise UsageError(f"{path} is a file: give the directory that it is in, {inside}")
    if not os.path.isdir(path):
        raise UsageError(f"{path}: there is no such directory")
    own = [path] if holds_results(path) else []
    of_run = os.path.join(path, "checkpoint")
    found = own or ([of_run] if holds_results(of_run) else [])
    found = found or [place for place in get_all_checkpoints(path) if holds_results(place)]
    if not found:
        raise UsageError(
            f"{path}: no results are recorded there, neither {FILE_NAME} nor files *{segments.ENDING}, and it is not "
            "the directory of a run that has any. Give a checkpoint directory such as runinfo/000/checkpoint"
        )
    return found


def holds_results(directory: str) -> bool:
    """Whether there is a file with results in a directory, whatever its state."""
    try:
        names = os.listdir(directory)
    except (NotADirectoryError, FileNotFoundError):
        return False
    return any(name == FILE_NAME or name.endswith(segments.ENDING) for name in names)


def distrusted(directory: str) -> str:
    """Why results in a directory may be somebody else's; "" when only this user can have put them there."""
    try:
        names = os.listdir(directory)
    except OSError:
        return ""
    files = [name for name in names if name == FILE_NAME or name.endswith((segments.ENDING, index.ENDING))]
    return distrust_any(os.path.join(directory, name) for name in ("", sidefiles.FOLDER, *files))


@dataclass
class CheckpointDirectory:
    """An opened checkpoint directory: its segments, and its Parsl file if it has one."""

    directory: str
    store: Store
    parsl: ParslFile | None

    @classmethod
    def open(cls, directory: str) -> CheckpointDirectory:
        """Open a directory.

        Raises BadCheckpoint when its Parsl file cannot be read at all. Raises OSError when it cannot be read.
        """
        store = Store(directory)
        path = os.path.join(directory, FILE_NAME)
        try:
            return cls(directory, store, ParslFile(path) if os.path.lexists(path) else None)
        except BaseException:
            store.close()
            raise

    def __len__(self) -> int:
        """Entries, in segments and in the Parsl file; those that are in both twice."""
        return len(self.store) + (len(self.parsl) if self.parsl is not None else 0)

    def entries(self) -> Iterator[Entry]:
        """What is found when a run looks: of what is both in segments and in the Parsl file, the segments' entry."""
        yield from self.store.entries()
        if self.parsl is not None:
            for entry in self.parsl.entries():
                if entry.key not in self.store:
                    yield entry

    def close(self) -> None:
        """Close the files."""
        self.store.close()
