"""Results that were found in another directory are copied to this one, many at a time."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from parsl_on_dask.checkpoint import appending, index, syncing
from parsl_on_dask.checkpoint.index import Table
from parsl_on_dask.checkpoint.store import Store
from parsl_on_dask.checkpoint.syncing import Syncer
from parsl_on_dask.remote.packing import loads


def key(number: int) -> str:
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
def old(tmp_path: Path) -> str:
    with Store(tmp_path / "old") as store:
        for number in range(appending.COPIES + 10):
            store.put(key(number), number, app="app", parts=[("argument 0", "0" * 12, str(number))])
    return str(tmp_path / "old")


def size_of(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.glob("*.seg")) if directory.exists() else 0


def test_a_record_is_fetched_whole(old: str) -> None:
    with Store(old) as store:
        record, begin, where = store.fetch(key(7)) or (b"", 0, "")
        assert loads(record[begin:]) == 7
        assert where == old
        assert store.fetch(key(-1)) is None


def test_what_is_not_a_small_result_of_an_app_is_not_fetched(tmp_path: Path) -> None:
    with Store(tmp_path, side_limit=10) as store:
        store.put(key(1), "x" * 100, app="app")
        store.put(key(2), 2, app="")
        store.put(key(3), 3, app="app")
        store.remove([key(3)])
        assert [store.fetch(key(n)) for n in (1, 2, 3)] == [None, None, None]


def test_a_damaged_record_is_not_fetched(old: str) -> None:
    [segment] = Path(old).glob("*.seg")
    data = bytearray(segment.read_bytes())
    with Store(old) as store:
        record = (store.fetch(key(3)) or (b"",))[0]
        data[data.index(record) + len(record) - 1] ^= 1
        segment.write_bytes(data)
        assert store.fetch(key(3)) is None
        assert store.fetch(key(4)) is not None


@pytest.mark.parametrize("sync", [False, True])
def test_copies_are_written_within_a_second(old: str, tmp_path: Path, sync: bool) -> None:
    with Store(tmp_path / "new", read=[old], sync=sync) as store:
        assert not store.holds(key(1))
        store.put_copy((store.fetch(key(1)) or (b"",))[0])
        assert store.holds(key(1))
        end = time.monotonic() + 20 * syncing.WITHIN
        while not size_of(tmp_path / "new") and time.monotonic() < end:
            time.sleep(0.02)
        with Store(tmp_path / "new") as again:
            entry = again.find(key(1))
            assert entry is not None
            assert (again.load(entry), entry.app, entry.parts) == (1, "app", (("argument 0", "0" * 12, "1"),))


def test_many_copies_are_one_write(old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []
    write = os.pwrite

    def counted(file: int, data: bytes, at: int) -> int:
        writes.append(len(data))
        return write(file, data, at)

    monkeypatch.setattr(syncing, "_DELAY", 1000)
    monkeypatch.setattr(os, "pwrite", counted)
    with Store(tmp_path / "new", read=[old]) as store:
        records = [(store.fetch(key(n)) or (b"",))[0] for n in range(appending.COPIES + 10)]
        for record in records[:-1]:
            store.put_copy(record)
        assert len(writes) == 1
        store.put(key(-1), "its own", app="app")
        store.flush()
        assert len(writes) == 3
        store.put_copy(records[-1])
        assert len(writes) == 3
    with Store(tmp_path / "new") as store:
        assert [store.load(entry) for entry in store.entries() if entry.key != key(-1)] == list(range(len(records)))
        assert store.damaged == 0


def test_the_bytes_that_wait_are_bounded(tmp_path: Path) -> None:
    with Store(tmp_path / "old") as store:
        for number in range(4):
            store.put(key(number), bytes(30_000), app="app")
    with Store(tmp_path / "new", read=[tmp_path / "old"]) as store:
        for number in range(3):
            store.put_copy((store.fetch(key(number)) or (b"",))[0])
        assert size_of(tmp_path / "new") > 90_000


def test_copies_that_cannot_be_written_do_no_harm(old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path / "new", read=[old]) as store:
        store.put_copy((store.fetch(key(1)) or (b"",))[0])

        def full(*args: object) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            with pytest.raises(OSError, match="No space left"):
                store.flush()
        entry = store.find(key(1))
        assert entry is not None
        assert store.load(entry) == 1
        store.put(key(-1), 5, app="app")
    with Store(tmp_path / "new") as store:
        assert len(store) == 1


def test_keys_that_begin_alike_are_found(tmp_path: Path) -> None:
    keys = [bytes(8) + n.to_bytes(8, "big") for n in range(0, 200, 2)]
    keys += [b"\xff" * 12 + n.to_bytes(4, "big") for n in range(0, 200, 2)]
    keys += [os.urandom(16) for _ in range(500)]
    table = Table(b"".join(sorted(k + n.to_bytes(8, "big") for n, k in enumerate(keys))))
    assert [table.find(k) for k in keys] == list(range(len(keys)))
    others = [k[:15] + bytes([k[15] ^ 1]) for k in keys]
    assert [table.find(k) for k in others] == [None] * len(keys)
    assert index.Table().find(keys[0]) is None


def test_stopping_is_not_missed() -> None:
    # the moment between the end of the delay and the next waiting
    for _ in range(20):
        syncer = Syncer(lambda: None)

        class Stop(threading.Event):
            def wait(self, timeout: float | None = None, syncer: Syncer = syncer) -> bool:
                found = super().wait(0)
                self.set()
                syncer._woken.set()
                return found

        syncer._stop = Stop()
        syncer.wake()
        syncer._thread.join(10)
        assert not syncer._thread.is_alive()
