"""Opening checkpoint directories: which segments there are, and one table of what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from parsl_on_dask.checkpoint import frames, index
from parsl_on_dask.checkpoint.entry import warn
from parsl_on_dask.checkpoint.segments import Scan, Segment, segment_names

#: With more segments than this, files are opened for each reading, since a process may have about 1000 open.
KEPT_OPEN = 128


@dataclass
class Opened:
    """What is in some directories."""

    table: index.Table = field(default_factory=index.Table)
    segments: list[Segment] = field(default_factory=list)
    #: Segments whose index had to be made by reading them: segment, its end, rows, damaged records.
    unindexed: list[tuple[Segment, int, bytes, int]] = field(default_factory=list)
    damaged: int = 0


def open_directories(directories: Sequence[str]) -> Opened:
    """Read the indexes of all segments, and the segments that have none. Later directories have precedence.

    Raises OSError when one of the directories cannot be read. What cannot be read of its segments is a warning.
    """
    names = [(directory, segment_names(directory)) for directory in directories]
    many = sum(len(found) for _, found in names) > KEPT_OPEN
    opened = Opened()
    # one segment's index is a table as it is; several are made into one
    settled: list[bytes] = []
    for directory, found in names:
        contents = []
        for name in found:
            segment = Segment(directory, name, keep_open=not many)
            content = _content(segment, opened)
            if content:
                contents.append((len(opened.segments), content))
                opened.segments.append(segment)
        if contents:
            settled.append(_one(contents))
    if len(settled) > 1:
        settled = [index.settle([row for rows in settled for row in index.split(rows)])]
    if settled:
        opened.table = index.Table(settled[0])
    return opened


def _one(contents: list[tuple[int, bytes]]) -> bytes:
    if len(contents) == 1 and contents[0][0] == 0 and not index.has_removed(contents[0][1]):
        return contents[0][1]
    return index.settle([row for number, rows in contents for row in index.split(rows, number)])


def _content(segment: Segment, opened: Opened) -> bytes:
    """The settled rows of a segment, from its index as far as that reaches, and from the segment after that."""
    try:
        size = segment.size()
        mark = frames.read_header(segment.read(0, frames.HEADER_SIZE)) if size > frames.HEADER_SIZE else None
        indexed = index.read_file(segment.path, mark, size) if mark is not None else None
        segment.mark = mark
        if indexed is not None and indexed[1] == size:
            rows, _, damaged = indexed
            _report(segment, damaged, opened)
            return rows
        before, start, damaged = indexed if indexed is not None else (b"", 0, 0)
        scan = Scan(segment, start)
    except FileNotFoundError:
        return b""  # compacted away since the directory was listed
    except OSError as error:
        warn(f"Checkpoint segment {segment.path} cannot be read and is left out: {error}")
        return b""
    if scan.newer:
        warn(
            f"Checkpoint segment {segment.path} was written by a newer version of this package and is left out: "
            "update this one to use its results",
        )
        return b""
    _report(segment, damaged + scan.damaged, opened)
    worth_a_file = len(scan.rows) >= index.WORTH_A_FILE
    rows = index.settle(index.split(before) + scan.rows, keep_removed=True)
    if worth_a_file:
        opened.unindexed.append((segment, scan.end, rows, damaged + scan.damaged_before_end))
    return rows


def _report(segment: Segment, damaged: int, opened: Opened) -> None:
    if damaged:
        opened.damaged += damaged
        records = "1 damaged record is" if damaged == 1 else f"{damaged} damaged records are"
        warn(f"{records} left out of checkpoint segment {segment.path}; that work is done again")
