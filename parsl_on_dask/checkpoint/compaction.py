"""Getting back the space of results that were removed or recorded again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from parsl_on_dask.checkpoint import frames, index, segments
from parsl_on_dask.remote import sidefiles

#: Files that no record names may belong to a record that is about to be written, until they are this old (seconds).
ORPHAN_AGE = 86400.0


def compact(directory: str | os.PathLike[str], *, orphan_age: float = ORPHAN_AGE) -> int:
    """Rewrite the segments in which something is not needed any more, and delete value files that nothing names.

    Only segments that their writers have finished are touched, so runs may go on meanwhile; what a killed run has
    left stays. A segment is replaced as a whole, by renaming; stores that are open keep the old one.

    - `directory`: a checkpoint directory.
    - `orphan_age`: seconds after which a value file that no record names is deleted.

    Returns how many bytes were freed.

    Raises OSError when a file cannot be read or written. Nothing that is needed is lost.
    """
    where = os.path.abspath(directory)
    found = [segments.Segment(where, name, keep_open=False) for name in segments.segment_names(where)]
    scans = [segments.Scan(segment) for segment in found]
    finished = [_finished(segment, scan) for segment, scan in zip(found, scans, strict=True)]
    rows = [row for number, scan in enumerate(scans) for row in index.split(b"".join(scan.rows), number)]
    live: list[set[int]] = [set() for _ in found]
    for place in index.Table(index.settle(rows)).places():
        live[place >> index.SEGMENT_SHIFT].add(place & index.OFFSET_MASK)
    freed = 0
    stays = False  # an earlier segment that is not ours to rewrite: what was removed from it must be remembered
    for segment, scan, done, needed in zip(found, scans, finished, live, strict=True):
        if not done:
            stays = True
            continue
        places = [int.from_bytes(row[index.KEY_BYTES :], "big") for row in scan.rows]
        kept = [
            place & index.OFFSET_MASK
            for place in places
            if (stays if place & index.TOMBSTONE else place & index.OFFSET_MASK in needed)
        ]
        if len(kept) < len(places) or scan.damaged:
            freed += _rewrite(segment, kept)
    return freed + _sweep(where, orphan_age)


def _finished(segment: segments.Segment, scan: segments.Scan) -> bool:
    if scan.newer or segment.mark is None or scan.end < frames.HEADER_SIZE + frames.HEAD_SIZE:
        return False
    last = segment.read(scan.end - frames.HEAD_SIZE, frames.HEAD_SIZE + 1)
    return last.startswith(segment.mark) and frames.intact(last) and frames.read_head(last).kind == frames.END


def _rewrite(segment: segments.Segment, places: list[int]) -> int:
    path = segment.path
    size = _size(path)
    if not places:
        os.unlink(path)
        _unlink_quietly(index.file_of(path))
        return size
    mark = frames.new_mark()
    rows: list[bytes] = []
    with sidefiles.replacing_file(path) as file:
        at = file.write(frames.pack_header(mark))
        for frame in _frames(segment, places):
            head = frames.read_head(frame)
            place = at | index.TOMBSTONE if head.kind == frames.REMOVED else at
            rows.append(head.key + place.to_bytes(index.OFFSET_BYTES, "big"))
            at += file.write(frames.with_mark(frame, mark))
        at += file.write(frames.pack(mark, frames.NO_KEY, frames.END, time.time()))
    _unlink_quietly(index.file_of(path))
    if len(rows) >= index.WORTH_A_FILE:
        index.write_file(path, mark, at, index.settle(rows, keep_removed=True))
    return size - _size(path)


def _size(path: str) -> int:
    index_path = index.file_of(path)
    return os.path.getsize(path) + (os.path.getsize(index_path) if os.path.exists(index_path) else 0)


def _frames(segment: segments.Segment, places: list[int]) -> Iterator[bytes]:
    for place in places:
        frame = segment.frame(place)
        if frame is not None:
            yield frame


def _sweep(where: str, orphan_age: float) -> int:
    folder = os.path.join(where, sidefiles.FOLDER)
    old = time.time() - orphan_age
    for file in os.scandir(where):
        if file.name.startswith(sidefiles.PROBE) and file.stat().st_mtime < old:
            _unlink_quietly(file.path)
    if not os.path.isdir(folder):
        return 0
    orphans = {
        file.name: file.stat().st_size
        for file in os.scandir(folder)
        if file.name.endswith((sidefiles.ENDING, sidefiles.UNFINISHED)) and file.stat().st_mtime < old
    }
    # the segments as they are now, since records of these files may have been added while others were rewritten
    for segment in [segments.Segment(where, name, keep_open=False) for name in segments.segment_names(where)]:
        if not orphans:
            return 0
        for row in segments.Scan(segment).rows:
            content = segment.head(int.from_bytes(row[index.KEY_BYTES :], "big") & index.OFFSET_MASK)
            if content is not None and content[0].side_size:
                orphans.pop(frames.read_texts(content[1], content[0]).side, None)
    for name in orphans:
        sidefiles.remove(where, name)
    return sum(orphans.values())


def _unlink_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
