"""Files of a checkpoint that somebody has damaged on purpose: nothing raises, and no length in them is trusted."""

from __future__ import annotations

import os
import random
import struct
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import pytest

from parsl_on_dask.checkpoint import frames, index
from parsl_on_dask.checkpoint.entry import CheckpointWarning, DamagedEntry
from parsl_on_dask.checkpoint.parsl_files import ParslFile
from parsl_on_dask.checkpoint.store import Store
from parsl_on_dask.dataflow.errors import BadCheckpoint

#: Bytes that opening a small store may take: what is read at a time, and copies of that.
FEW = 40_000_000
HUGE = 1 << 40


def key(number: int) -> str:
    return f"{number:032x}"


@contextmanager
def small_memory() -> Iterator[None]:
    """Nothing in here takes more than `FEW` bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < FEW
    finally:
        tracemalloc.stop()


def look_at(directory: Path) -> int:
    """How many results a store says that it has, after everything has been asked of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)
        with Store(directory) as store:
            for number in range(5):
                store.find(key(number))
                store.fetch(key(number))
            found = 0
            for entry in store.entries():
                found += 1
                try:
                    store.read(entry)
                except DamagedEntry:
                    continue
            return found


def store_of(directory: Path, count: int) -> tuple[Path, bytes]:
    """A segment with an index that the next store would read; its path and what it holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)
        with Store(directory) as store:
            for number in range(count):
                store.put(key(number), (number, "x" * (number % 50)), app="app", parts=[("argument 0", "0" * 12, "x")])
        with Store(directory):
            pass
    [segment] = directory.glob("*.seg")
    return segment, segment.read_bytes()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes, bytes]:
    """A segment's name, its bytes and those of its index."""
    directory = tmp_path_factory.mktemp("store")
    segment, data = store_of(directory, index.WORTH_A_FILE + 50)
    return segment.name, data, Path(index.file_of(str(segment))).read_bytes()


def mutated(data: bytes, random: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(random.randint(1, 20)):
        at = random.randrange(len(made))
        made[at : at + random.choice([1, 4, 8])] = random.choice(
            [random.randbytes(random.choice([1, 4, 8])), b"\xff" * 4, b"\xff" * 8, b"\0" * 8, frames.MARK]
        )
    return bytes(made[: random.choice([len(made), random.randrange(len(made) + 1)])])


@pytest.mark.parametrize("seed", range(15))
def test_random_changes(written: tuple[str, bytes, bytes], tmp_path: Path, seed: int) -> None:
    name, segment, its_index = written
    chance = random.Random(seed)
    segment = mutated(segment, chance) if seed % 3 else segment
    its_index = mutated(its_index, chance) if seed % 2 else its_index
    (tmp_path / name).write_bytes(segment)
    (tmp_path / name).with_suffix(index.ENDING).write_bytes(its_index)
    with small_memory():
        look_at(tmp_path)


@pytest.mark.parametrize("seed", range(15))
def test_random_bytes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    begin = [b"", frames.pack_header(frames.MARK + b"1234"), index.MAGIC, frames.MAGIC]
    for number in range(4):
        for ending in (".seg", index.ENDING):
            data = chance.choice(begin) + chance.randbytes(chance.randrange(3000))
            (tmp_path / f"{number:04}{ending}").write_bytes(data)
    with small_memory():
        look_at(tmp_path)


@pytest.mark.parametrize("seed", range(10))
def test_random_bytes_in_parsls_file(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "tasks.pkl"
    path.write_bytes(b"\x80\x04\x95" + chance.randbytes(chance.randrange(2000)))
    with small_memory(), warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)
        try:
            assert len(list(ParslFile(path).entries())) >= 0
        except BadCheckpoint as error:
            assert str(path) in str(error)


def index_with(segment: Path, rows: bytes, count: int, more: int = 0) -> None:
    """Write an index whose checksums are right, for a segment as it is; it is ``more`` bytes longer than its rows."""
    data = segment.read_bytes()
    mark = frames.read_header(data)
    head = struct.pack("<20s8sQQQI", index.MAGIC, mark, len(data), count, 0, crc32(rows))
    with open(index.file_of(str(segment)), "wb") as file:
        file.write(head + crc32(head).to_bytes(4, "little") + rows)
        file.truncate(file.tell() + more)


def test_an_index_that_says_that_it_has_more_rows_than_there_are(tmp_path: Path) -> None:
    segment, _ = store_of(tmp_path, 5)
    for count, more in ((HUGE, 0), ((1 << 64) - 1, 0), (1, HUGE), (1, FEW * 2)):
        index_with(segment, bytes(index.ROW), count, more)
        with small_memory():
            assert look_at(tmp_path) == 5, "the segment is read"


def test_an_index_that_names_places_that_are_not_there(tmp_path: Path) -> None:
    segment, _ = store_of(tmp_path, 5)
    for place in (b"\xff" * 3 + bytes(5), b"\0\0\1" + bytes(5)):
        index_with(segment, bytes.fromhex(key(1)) + place, 1)
        assert look_at(tmp_path) == 5, "another segment's: no index of ours"
    for offset in (0, 1, index.OFFSET_MASK):
        index_with(segment, bytes.fromhex(key(1)) + offset.to_bytes(8, "big"), 1)
        with small_memory():
            assert look_at(tmp_path) == 0


@pytest.mark.parametrize("at", [12, 52, 56, 60])
def test_a_frame_that_says_that_it_is_longer_than_its_file(tmp_path: Path, at: int) -> None:
    segment, data = store_of(tmp_path, 5)
    begin = data.index(data[20:28], 28)
    made = bytearray(data)
    made[begin + at : begin + at + 4] = b"\xff\xff\xff\xf0"
    segment.write_bytes(bytes(made))
    with small_memory():
        assert look_at(tmp_path) == 4
    # an index says where the frame is, and nobody has looked at it when it is asked for
    index_with(segment, bytes.fromhex(key(0)) + begin.to_bytes(8, "big"), 1)
    with small_memory():
        look_at(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_an_index_that_is_a_pipe(tmp_path: Path) -> None:
    segment, _ = store_of(tmp_path, 5)
    os.mkfifo(index.file_of(str(segment)))
    assert look_at(tmp_path) == 5


def test_a_value_file_that_has_grown(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)
        with Store(tmp_path, side_limit=10) as store:
            store.put(key(1), "x" * 1000, app="app")
        [side] = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in (".seg", ".idx")]
        os.truncate(side, HUGE)
        with Store(tmp_path) as store, small_memory():
            entry = store.find(key(1))
            assert entry is not None
            with pytest.raises(DamagedEntry, match="1000 were written|were written"):
                store.load(entry)
