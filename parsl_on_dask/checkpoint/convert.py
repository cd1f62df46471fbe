"""Results from Parsl's checkpoint files to segments, and back; and the removal of records from a ``tasks.pkl``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from parsl_on_dask.checkpoint import parsl_pickles
from parsl_on_dask.checkpoint.entry import DamagedEntry, Entry
from parsl_on_dask.checkpoint.parsl_files import ParslFile, ParslWriter
from parsl_on_dask.checkpoint.store import Store
from parsl_on_dask.remote import sidefiles


@dataclass
class Converted:
    """What a conversion has done.

    - `written`: results written.
    - `known`: results left out because they were there already.
    - `damaged`: what could not be read, and why.
    - `no_equal`: by identity: results whose keys Parsl cannot make, because their functions are not identified by name
      only.
    - `need_cloudpickle`: results that are read only where cloudpickle is installed.
    """

    written: int = 0
    known: int = 0
    damaged: list[str] = field(default_factory=list)
    no_equal: Counter[str] = field(default_factory=Counter)
    need_cloudpickle: int = 0

    def add(self, other: Converted) -> None:
        """Count what another conversion has done as well."""
        self.written += other.written
        self.known += other.known
        self.damaged += other.damaged
        self.no_equal += other.no_equal
        self.need_cloudpickle += other.need_cloudpickle


ShowProgress = Callable[[Iterable[Entry], int], Iterable[Entry]]


def _unwatched(entries: Iterable[Entry], _total: int) -> Iterable[Entry]:
    return entries


def from_parsl(file: ParslFile, store: Store, watch: ShowProgress = _unwatched) -> Converted:
    """Copy the results of a Parsl file into segments. Those that are there already are left out.

    Nothing is unpickled, so what the values are made of need not be importable. The exception are values that name
    Parsl's own classes, which get this package's.

    - `store`: into whose directory.
    - `watch`: is given the entries and their number, and gives the entries back; shows progress.

    Raises OSError when the store cannot be written.
    """
    done = Converted()
    for entry in watch(file.entries(), len(file)):
        if entry.key in store:
            done.known += 1
            continue
        try:
            record = file.record(entry)
        except DamagedEntry as error:
            done.damaged.append(str(error))
            continue
        if b"parsl" in record:
            try:
                value = parsl_pickles.result(record, entry.key)
            except Exception:
                pass  # made of something that only the script has; it goes as it is
            else:
                store.put(entry.key, value, app="", written=entry.written)
                done.written += 1
                continue
        try:
            store.put_pickled(entry.key, parsl_pickles.pickle_of_record(record), app="", written=entry.written)
        except parsl_pickles.NotAResult as error:
            done.damaged.append(f"{file.path}: the result {entry.key} cannot be read: {error}")
        else:
            done.written += 1
    return done


def to_parsl(store: Store, writer: ParslWriter, watch: ShowProgress = _unwatched) -> Converted:
    """Append the results of a store to a Parsl file, for those keys that Parsl makes as well.

    `watch`: as for :func:`from_parsl`.

    Raises OSError when the file cannot be written.
    """
    done = Converted()
    for entry in watch(store.entries(), len(store)):
        if entry.identity != "name":
            done.no_equal[entry.identity] += 1
            continue
        try:
            value = store.read(entry)
        except DamagedEntry as error:
            done.damaged.append(str(error))
            continue
        if b"parsl_on_dask" in value:
            try:
                # the names of this package's classes become Parsl's
                record = parsl_pickles.record(entry.key, store.load(entry))
            except Exception:
                record = parsl_pickles.record_of_pickle(entry.key, value)
        else:
            record = parsl_pickles.record_of_pickle(entry.key, value)
        done.need_cloudpickle += b"cloudpickle" in record
        writer.append_record(record)
        done.written += 1
    return done


def copy_records(file: ParslFile, writer: ParslWriter, wanted: Callable[[Entry], bool]) -> int:
    """Append a Parsl file's usable records to another, as they are; how many there were.

    Raises OSError when the file cannot be written. Raises DamagedEntry when a record that was there when the file was
    opened cannot be read any more.
    """
    count = 0
    for entry in sorted(filter(wanted, file.entries()), key=lambda entry: entry.at):
        writer.append_record(file.record(entry))
        count += 1
    return count


def remove_records(file: ParslFile, keys: set[str]) -> int:
    """Write a Parsl file anew without some keys, and without what is damaged; how many results have gone.

    Raises OSError, DamagedEntry when it cannot be written, or read to the end; it is then as it was.
    """
    with replaced(file.path) as writer:
        kept = copy_records(file, writer, lambda entry: entry.key not in keys)
    return len(file) - kept


@contextmanager
def replaced(path: str) -> Iterator[ParslWriter]:
    """Write a whole Parsl file, which takes the place of the one at `path` at the end, if there is no error."""
    with sidefiles.replacing(path) as unfinished:
        writer = ParslWriter(unfinished)
        try:
            writer.create()
            yield writer
            writer.sync()
        finally:
            writer.close()
