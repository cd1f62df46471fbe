"""What the ``checkpoint`` commands do; each takes the options that :mod:`parsl_on_dask.checkpoint.cli` has read."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain

from parsl_on_dask.checkpoint import convert
from parsl_on_dask.checkpoint.compaction import compact
from parsl_on_dask.checkpoint.directories import CheckpointDirectory, UsageError, directories
from parsl_on_dask.checkpoint.entry import DamagedEntry, Entry
from parsl_on_dask.checkpoint.parsl_files import FILE_NAME, ParslFile
from parsl_on_dask.checkpoint.progress import progress
from parsl_on_dask.checkpoint.store import Store
from parsl_on_dask.common import wording
from parsl_on_dask.common.task_errors import BadCheckpoint
from parsl_on_dask.remote import sidefiles

#: What is shown for results from Parsl's files, which do not say of which app they are.
UNKNOWN_APP = "(from Parsl)"
#: Damaged records that are named one by one.
_NAMED = 20


def ls(options: argparse.Namespace) -> int:
    """List results: by app, or one by one."""
    with ExitStack() as stack:
        places = _open(options.directory, stack)
        entries = chain.from_iterable(
            progress(place.entries(), len(place), f"reading {place.directory}") for place in places
        )
        if options.long:
            _print_long(entries)
        else:
            _print_by_app(entries)
    damaged = [place.directory for place in places if place.store.damaged]
    if damaged:
        print(f"Some records are damaged: see verify {damaged[0]}")
    return 0


def _print_long(entries: Iterable[Entry]) -> None:
    for entry in sorted(entries, key=lambda entry: (entry.app, entry.written)):
        called = ", ".join(f"{label}={text}" for label, _digest, text in entry.parts[1:])
        app = f"{entry.app}({called})" if entry.app else UNKNOWN_APP
        size, written = _size(entry.size), _readable_time(entry.written)
        print(f"{entry.key}  {size:>9}  {written}  {entry.identity:<8}  {app}")


def _size(size: int) -> str:
    return wording.size(size, decimal=True)


@dataclass
class _Total:
    count: int = 0
    size: int = 0
    oldest: float = math.inf
    newest: float = 0.0

    def add(self, entry: Entry) -> None:
        self.count += 1
        self.size += entry.size
        self.oldest = min(self.oldest, entry.written)
        self.newest = max(self.newest, entry.written)

    def row(self, name: str) -> tuple[str, str, str, str, str]:
        times = (_readable_time(self.oldest), _readable_time(self.newest)) if self.count else ("", "")
        return name, str(self.count), _size(self.size), *times


def _print_by_app(entries: Iterable[Entry]) -> None:
    totals: dict[str, _Total] = defaultdict(_Total)
    every = _Total()
    for entry in entries:
        totals[entry.app].add(entry)
        every.add(entry)
    rows = [("app", "results", "size", "oldest", "newest")]
    rows += [total.row(app or UNKNOWN_APP) for app, total in sorted(totals.items())]
    if len(totals) != 1:
        rows.append(every.row("all"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2)), row[3].ljust(widths[3]), row[4]]
        print("  ".join(cells).rstrip())


def _readable_time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def verify(options: argparse.Namespace) -> int:
    """Read everything; 1 when something is damaged."""
    if options.load:
        sys.path.insert(0, os.getcwd())
    damaged = results = 0
    for directory in directories(options.directory):
        with Store(directory) as store:
            damaged += store.damaged
            named: set[str] = set()
            for entry in progress(store.entries(), len(store), f"checking {directory}"):
                named.add(entry.side)
                results += 1
                damaged += _complain(store.load if options.load else store.read, entry, damaged)
        path = os.path.join(directory, FILE_NAME)
        if os.path.lexists(path):
            try:
                file = ParslFile(path)
            except BadCheckpoint as error:
                damaged += 1
                print(error)
            else:
                damaged += file.damaged
                for entry in progress(file.entries(), len(file), f"checking {path}"):
                    results += 1
                    damaged += _complain(file.load if options.load else file.record, entry, damaged)
        _count_unnamed(directory, named)
    if damaged > _NAMED:
        print(f"... and {damaged - _NAMED} more")
    print(f"{results} results read, " + (f"{damaged} damaged" if damaged else "all are whole"))
    return 1 if damaged else 0


def _complain(read: Callable[[Entry], object], entry: Entry, before: int) -> int:
    try:
        read(entry)
    except DamagedEntry as error:
        if before < _NAMED:
            print(error)
        return 1
    return 0


def _count_unnamed(directory: str, named: set[str]) -> None:
    try:
        files = [file for file in os.scandir(os.path.join(directory, sidefiles.FOLDER)) if file.name not in named]
    except OSError:
        return
    if files:
        size = _size(sum(file.stat().st_size for file in files))
        print(
            f"{directory}: {len(files)} value files ({size}) belong to no record: a run may be about to record them; "
            "else they are what an interrupted run has left"
        )


def rm(options: argparse.Namespace) -> int:
    """Drop results."""
    chosen = options.all or any(
        option is not None for option in (options.app, options.key, options.older_than, options.identity)
    )
    if not chosen:
        raise UsageError(
            "rm: say which results: --app NAME, --key PREFIX, --older-than DAYS, --identity POLICY, or --all"
        )
    before = None if options.older_than is None else time.time() - options.older_than * 86400

    def wanted(entry: Entry) -> bool:
        return (
            (options.app is None or entry.app == options.app)
            and (options.key is None or entry.key.startswith(options.key))
            and (before is None or entry.written < before)
            and (options.identity is None or entry.identity == options.identity)
        )

    with ExitStack() as stack:
        places = _open(options.directory, stack)
        found = [
            [entry for entry in progress(place.entries(), len(place), f"reading {place.directory}") if wanted(entry)]
            for place in places
        ]
        every = [entry for entries in found for entry in entries]
        if not every:
            print("No result matches: nothing to remove. See ls --long for what is there")
            return 0
        _print_by_app(every)
        if not options.yes and not _agreed(f"Remove these {len(every)} results?"):
            print("Nothing has been removed")
            return 1
        for place, entries in zip(places, found, strict=True):
            _remove(place, {entry.key for entry in entries})
    freed = sum(compact(place.directory) for place in places)
    left = _still_there(places, found)
    print(f"{len(every) - left} results removed, {_size(freed)} freed in segments")
    if left:
        print(f"{left} are there again: a run that is going on records them. Remove them when it has ended")
    return 1 if left else 0


def _still_there(places: Sequence[CheckpointDirectory], found: Sequence[Sequence[Entry]]) -> int:
    """How many results can be found again, now that they were removed."""
    count = 0
    with ExitStack() as stack:
        for before, entries in zip(places, found, strict=True):
            place = CheckpointDirectory.open(before.directory)
            stack.callback(place.close)
            for key in {entry.key for entry in entries}:
                in_parsls_file = place.parsl is not None and place.parsl.find(key) is not None
                count += in_parsls_file or place.store.find(key) is not None
    return count


def _remove(place: CheckpointDirectory, keys: set[str]) -> None:
    place.store.remove(keys)
    # what is in both must go from both, or it would be found again
    if place.parsl is not None and any(place.parsl.find(key) is not None for key in keys):
        convert.remove_records(place.parsl, keys)


def _agreed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print("\nThere is nobody to answer; --yes removes without asking")
        return False


def export(options: argparse.Namespace) -> int:
    """Convert to or from Parsl's file."""
    return _to_parsl(options) if options.to_parsl is not None else _from_parsl(options)


def _to_parsl(options: argparse.Namespace) -> int:
    out = options.to_parsl
    path = os.path.abspath(out if out.endswith(".pkl") else os.path.join(out, FILE_NAME))
    if os.path.lexists(path):
        raise UsageError(f"export: {path} exists already: name another place, or move it away")
    total = convert.Converted()
    with ExitStack() as stack:
        places = _open(options.directory, stack)
        with convert.replaced(path) as writer:
            for place in places:
                if place.parsl is not None:
                    total.written += convert.copy_records(place.parsl, writer, _not_in(place.store))
                    total.damaged += [f"{place.parsl.path}: {place.parsl.damaged} records"] * bool(place.parsl.damaged)
                total.add(convert.to_parsl(place.store, writer, _watch(f"exporting {place.directory}")))
    print(f"{total.written} results written to {path}")
    for identity, count in sorted(total.no_equal.items()):
        print(f"{count} results left out: their functions are identified by {identity}, and Parsl knows names only")
    if total.need_cloudpickle:
        print(
            f"{total.need_cloudpickle} of them can be read only where cloudpickle is installed, and Parsl refuses the "
            "whole file where it is not: pip install cloudpickle"
        )
    return _damage(total)


def _not_in(store: Store) -> Callable[[Entry], bool]:
    return lambda entry: entry.key not in store


def _from_parsl(options: argparse.Namespace) -> int:
    if os.path.exists(options.directory) and not os.path.isdir(options.directory):
        raise UsageError(f"{options.directory} is a file: DIR is the directory that is to get the results")
    source = options.from_parsl
    if os.path.isfile(source):
        paths = [source]
    else:
        paths = [os.path.join(directory, FILE_NAME) for directory in directories(source)]
        paths = [path for path in paths if os.path.lexists(path)]
        if not paths:
            raise UsageError(f"{source}: there is no {FILE_NAME} of Parsl's in it")
    total = convert.Converted()
    with Store(options.directory) as store:
        # the last record of a key counts, and what a store has stays as it is: so from the last file to the first
        for path in reversed(paths):
            file = ParslFile(path)
            total.damaged += [f"{path}: {file.damaged} records"] * bool(file.damaged)
            total.add(convert.from_parsl(file, store, _watch(f"importing {path}")))
    known = f", {total.known} were there already" if total.known else ""
    print(f"{total.written} results copied to {options.directory}{known}")
    return _damage(total)


def _damage(total: convert.Converted) -> int:
    for text in total.damaged[:_NAMED]:
        print(f"damaged, left out: {text}")
    if len(total.damaged) > _NAMED:
        print(f"... and {len(total.damaged) - _NAMED} more")
    return 1 if total.damaged else 0


def _watch(what: str) -> convert.ShowProgress:
    return lambda entries, count: progress(entries, count, what)


def _open(path: str, stack: ExitStack) -> list[CheckpointDirectory]:
    places = []
    for directory in directories(path):
        place = CheckpointDirectory.open(directory)
        stack.callback(place.close)
        places.append(place)
    return places
