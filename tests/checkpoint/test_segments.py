"""Damage to files: what is whole is found, what is not is counted, and nothing raises."""

from __future__ import annotations

import os
import random
import warnings
from pathlib import Path

import pytest

from parsl_on_dask.checkpoint import frames, index
from parsl_on_dask.checkpoint.entry import CheckpointWarning, DamagedEntry
from parsl_on_dask.checkpoint.segments import Scan, Segment
from parsl_on_dask.checkpoint.store import Store

COUNT = 60


def key(number: int) -> str:
    return f"{number:032x}"


def write(directory: Path, count: int = COUNT, first: int = 0) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)
        store = Store(directory)
    with store:
        for number in range(first, first + count):
            text = "x" * (number * 37 % 900)
            store.put(key(number), (number, text), app=f"app{number % 3}", parts=[("argument 0", "0" * 12, text[:60])])
    return newest(directory)


def newest(directory: Path) -> Path:
    return max(directory.glob("*.seg"))


def starts(path: Path) -> list[int]:
    scan = Scan(Segment(str(path.parent), path.name))
    return [int.from_bytes(row[16:], "big") for row in scan.rows]


def readable(directory: Path) -> tuple[set[int], int]:
    """The numbers of the results that a new store has, and the records that it has skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)
        store = Store(directory)
    numbers = set()
    for entry in store.entries():
        number, text = store.load(entry)
        assert entry.key == key(number)
        assert text == "x" * (number * 37 % 900)
        assert entry.app == f"app{number % 3}"
        assert store.find(entry.key) == entry
        numbers.add(number)
    store.close()
    return numbers, store.damaged


def test_random_truncations(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole, places = path.read_bytes(), starts(path)
    ends = [*places[1:], len(whole) - frames.HEAD_SIZE]
    chance = random.Random(4)
    for cut in [0, 1, frames.HEADER_SIZE - 1, frames.HEADER_SIZE, *(chance.randrange(len(whole)) for _ in range(200))]:
        path.write_bytes(whole[:cut])
        numbers, damaged = readable(tmp_path)
        assert numbers == {number for number, end in enumerate(ends) if end <= cut}, cut
        torn = 0 < cut < len(whole) and cut not in (frames.HEADER_SIZE, *ends)
        assert damaged == torn, cut


def test_random_bit_flips(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole, places = path.read_bytes(), starts(path)
    chance = random.Random(5)
    for at in [*range(frames.HEADER_SIZE), *(chance.randrange(len(whole)) for _ in range(200))]:
        flipped = bytearray(whole)
        flipped[at] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        numbers, damaged = readable(tmp_path)
        hit = {max(number for number, start in enumerate(places) if start <= at)} if at >= places[0] else set()
        if at >= len(whole) - frames.HEAD_SIZE:
            hit = set()  # the mark of the end
        assert numbers == set(range(COUNT)) - hit, at
        assert damaged == 1, at


def test_several_kinds_of_damage_in_one_file(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole, places = bytearray(path.read_bytes()), starts(path)
    whole[places[3] : places[5]] = bytes(places[5] - places[3])  # two records are zeros, as after a crash
    whole[places[10] + 20] ^= 1
    whole[places[11] + 20] ^= 1
    whole[places[30] + 12 : places[30] + 16] = b"\xff\xff\xff\x7f"  # claims to be longer than the file
    whole[places[40] : places[40]] = os.urandom(5000)  # something in between
    path.write_bytes(whole)
    numbers, damaged = readable(tmp_path)
    assert numbers == set(range(COUNT)) - {3, 4, 10, 11, 30}
    assert damaged == 5  # a gap without a mark counts as one


def test_records_across_the_chunks_of_a_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path)
    whole, places = bytearray(path.read_bytes()), starts(path)
    whole[places[7] + 3] ^= 1
    path.write_bytes(whole)
    for chunk in (1, 7, 64, 100, 1000):
        monkeypatch.setattr("parsl_on_dask.checkpoint.segments.CHUNK", chunk)
        assert readable(tmp_path) == (set(range(COUNT)) - {7}, 1)


def test_a_segment_in_a_value_does_not_come_out_of_it(tmp_path: Path) -> None:
    inner = write(tmp_path / "inner", 3).read_bytes()
    with Store(tmp_path) as store:
        store.put(key(100), inner, app="copy")
        store.put(key(101), 1, app="copy")
    path = newest(tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[frames.HEADER_SIZE + frames.HEAD_SIZE + 1] ^= 1
    path.write_bytes(damaged)
    with pytest.warns(CheckpointWarning, match="1 damaged record is left out"):
        store = Store(tmp_path)
    assert [entry.key for entry in store.entries()] == [key(101)]


def test_damage_is_one_warning_a_file(tmp_path: Path) -> None:
    for first in (0, 10):
        path = write(tmp_path, 10, first)
        data = bytearray(path.read_bytes())
        for start in starts(path)[2:4]:
            data[start + 30] ^= 1
        path.write_bytes(data)
    with pytest.warns(CheckpointWarning) as caught:
        assert Store(tmp_path).damaged == 4
    assert [str(w.message).split(" left")[0] for w in caught] == ["2 damaged records are"] * 2


def test_a_newer_format_is_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path, 2)
    magic = frames.MAGIC.replace(b"1", b"2") + frames.new_mark()
    newer = tmp_path / "99999999T000000-newer.seg"
    newer.write_bytes(magic + frames.crc32(magic).to_bytes(4, "little") + b"something else")
    with pytest.warns(CheckpointWarning, match=r"99999999T000000-newer\.seg was written by a newer version"):
        store = Store(tmp_path)
    assert len(store) == 2


def test_random_bytes_are_no_segment(tmp_path: Path) -> None:
    chance = random.Random(6)
    for size in (0, 1, 31, 32, 33, 100, 5000):
        (tmp_path / "a.seg").write_bytes(chance.randbytes(size))
        assert readable(tmp_path) == (set(), int(size > 0))


class TestIndex:
    COUNT = index.WORTH_A_FILE + 10

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return write(tmp_path, self.COUNT)

    def check(self, path: Path) -> None:
        assert readable(path.parent) == (set(range(self.COUNT)), 0)

    def test_it_is_used(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert path.with_suffix(".idx").stat().st_mode & 0o777 == 0o600
        monkeypatch.setattr("parsl_on_dask.checkpoint.opening.Scan", None)
        self.check(path)

    def test_without_it(self, path: Path) -> None:
        path.with_suffix(".idx").unlink()
        self.check(path)

    def test_damaged(self, path: Path) -> None:
        file = path.with_suffix(".idx")
        whole = file.read_bytes()
        chance = random.Random(7)
        for at in [*range(0, 68, 3), *(chance.randrange(len(whole)) for _ in range(10))]:
            flipped = bytearray(whole)
            flipped[at] ^= 1 << chance.randrange(8)
            file.write_bytes(flipped)
            self.check(path)
            file.write_bytes(whole[:at])
            self.check(path)

    def test_of_the_beginning_only(self, path: Path) -> None:
        scan = Scan(Segment(str(path.parent), path.name))
        header = path.read_bytes()[: frames.HEADER_SIZE]
        mark = frames.read_header(header)
        assert mark is not None
        end = int.from_bytes(scan.rows[500][16:], "big")
        index.write_file(str(path), mark, end, index.settle(scan.rows[:500], keep_removed=True))
        self.check(path)

    def test_of_another_segment(self, path: Path, tmp_path: Path) -> None:
        other = write(tmp_path / "other", self.COUNT)
        os.replace(other.with_suffix(".idx"), path.with_suffix(".idx"))
        self.check(path)

    def test_is_made_for_what_a_killed_run_has_left(self, path: Path) -> None:
        file = path.with_suffix(".idx")
        file.unlink()
        path.write_bytes(path.read_bytes()[: -frames.HEAD_SIZE])
        Store(path.parent).close()
        assert not file.exists()  # only who writes into a directory makes files in it
        with Store(path.parent) as store:
            store.put(key(0), (0, ""), app="app0")
        assert file.exists()
        self.check(path)

    def test_does_not_hide_a_record_that_was_being_written(self, path: Path) -> None:
        whole = path.read_bytes()[: -frames.HEAD_SIZE]
        path.with_suffix(".idx").unlink()
        path.write_bytes(whole[:-20])
        with pytest.warns(CheckpointWarning, match="1 damaged record"), Store(path.parent) as store:
            store.put(key(0), (0, ""), app="app0")
        assert path.with_suffix(".idx").exists()
        assert readable(path.parent) == (set(range(self.COUNT - 1)), 1)
        path.write_bytes(whole)
        self.check(path)

    def test_damage_behind_it_is_found_by_load(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        place = starts(path)[7]
        data[starts(path)[8] - 1] ^= 1
        path.write_bytes(data)
        store = Store(path.parent)
        entry = store.find(key(7))
        assert entry is not None and entry.at & index.OFFSET_MASK == place
        with pytest.raises(DamagedEntry, match=r"app 'app1' in .*\.seg cannot be read: its record is damaged"):
            store.load(entry)
