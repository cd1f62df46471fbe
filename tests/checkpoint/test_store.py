"""What a store promises to those who put results and to those who look for them."""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.checkpoint import syncing
from parsl_on_dask.checkpoint.compaction import compact
from parsl_on_dask.checkpoint.entry import CheckpointWarning, DamagedEntry
from parsl_on_dask.checkpoint.store import Store
from parsl_on_dask.remote import sidefiles
from tests import interpreters


def key(number: object) -> str:
    return hashlib.md5(str(number).encode()).hexdigest()


def get(store: Store, number: object) -> Any:
    entry = store.find(key(number))
    return None if entry is None else store.load(entry)


def names(directory: Path, ending: str = "") -> list[str]:
    return sorted(path.name for path in directory.rglob("*" + ending) if path.is_file())


class TestPutAndFind:
    def test_within_a_store_and_after_it(self, tmp_path: Path) -> None:
        before = time.time()
        parts = [("function", "0123456789ab", "f"), ("argument 0", "ba9876543210", "'é\x1f\\ud800'")]
        with Store(tmp_path / "a" / "b") as store:
            store.put(key(1), {"x": [1.5]}, app="éclair", identity="source", parts=parts)
            assert get(store, 1) == {"x": [1.5]}
            assert get(store, 2) is None
        assert get(store, 1) == {"x": [1.5]}  # closed
        store = Store(tmp_path / "a" / "b")
        entry = store.find(key(1))
        assert entry is not None
        assert (entry.key, entry.app, entry.identity) == (key(1), "éclair", "source")
        assert entry.parts == (("function", "0123456789ab", "f"), ("argument 0", "ba9876543210", "'é␟\\ud800'"))
        assert before <= entry.written <= time.time()
        assert entry.size == len(pickle.dumps({"x": [1.5]}, 5))
        assert entry.side == "" and os.path.exists(entry.where)
        assert list(store.entries()) == [entry]
        assert key(1) in store and key(2) not in store

    def test_the_last_result_of_a_key_counts(self, tmp_path: Path) -> None:
        for value in range(3):
            with Store(tmp_path) as store:
                store.put(key(1), value, app="a")
                store.put(key(1), value + 10, app="a")
                assert get(store, 1) == value + 10
                assert len(store) == 1
            assert (get(Store(tmp_path), 1), len(Store(tmp_path))) == (value + 10, 1)

    def test_nothing_is_made_before_the_first_put(self, tmp_path: Path) -> None:
        with Store(tmp_path / "not" / "yet") as store:
            assert (len(store), store.find(key(1)), list(store.entries()), store.damaged) == (0, None, [], 0)
        assert not (tmp_path / "not").exists()

    def test_permissions(self, tmp_path: Path) -> None:
        mask = os.umask(0)
        try:
            with Store(tmp_path / "c", side_limit=10) as store:
                store.put(key(1), "x" * 100, app="a")
        finally:
            os.umask(mask)
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "c").rglob("*") if path.is_file()} == {0o600}
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "c", tmp_path / "c" / "values")} == {0o700}

    def test_more_directories_to_read(self, tmp_path: Path) -> None:
        for number, name in enumerate("abc"):
            with Store(tmp_path / name) as store:
                store.put(key("common"), name, app="a")
                store.put(key(name), name, app="a")
                store.put(key(number), name, app="a")
                store.put(key("gone"), name, app="a")
                if name == "b":
                    store.remove([key("gone")])
        store = Store(tmp_path / "a", read=[tmp_path / "b", tmp_path / "c", tmp_path / "a", tmp_path / "missing"])
        assert [get(store, name) for name in "abc"] == ["a", "b", "c"]
        assert (get(store, "common"), get(store, "gone")) == ("a", "a")
        assert len(store) == 8
        store = Store(tmp_path / "new", read=[tmp_path / "c", tmp_path / "b"])
        assert (get(store, "common"), get(store, "gone")) == ("b", "c")  # what was removed in b is not removed in c

    def test_entries_come_in_the_order_of_writing(self, tmp_path: Path) -> None:
        for run in range(3):
            with Store(tmp_path) as store:
                for number in range(run * 10, run * 10 + 10):
                    store.put(key(number), number, app="a")
                assert [store.load(entry) for entry in store.entries()] == list(range(run * 10 + 10))

    def test_more_segments_than_a_process_may_have_files(self, tmp_path: Path) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for number in range(200):
            with Store(tmp_path) as store:
                store.put(key(number), number, app="a")
        resource.setrlimit(resource.RLIMIT_NOFILE, (150, hard))
        try:
            store = Store(tmp_path)
            assert [get(store, number) for number in range(200)] == list(range(200))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def test_keys_are_checked(self, tmp_path: Path) -> None:
        with Store(tmp_path) as store:
            for wrong in ("", "zz" * 16, "00", "00" * 17):
                with pytest.raises(ValueError, match="32 hexadecimal digits"):
                    store.find(wrong)
                with pytest.raises(ValueError, match="32 hexadecimal digits"):
                    store.put(wrong, 1, app="a")
        assert names(tmp_path) == []

    def test_a_file_is_no_directory(self, tmp_path: Path) -> None:
        (tmp_path / "tasks.pkl").touch()
        with pytest.raises(NotADirectoryError, match=r"tasks\.pkl is not a directory"):
            Store(tmp_path / "tasks.pkl")

    def test_closed(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        store.close()
        store.close()
        with pytest.raises(ValueError, match="is closed"):
            store.put(key(1), 1, app="a")

    def test_what_cannot_be_pickled_leaves_nothing(self, tmp_path: Path) -> None:
        with Store(tmp_path / "c") as store:
            with pytest.raises(TypeError):
                store.put(key(1), threading.Lock(), app="a")
            assert not (tmp_path / "c").exists()
            store.put(key(2), 2, app="a")
            with pytest.raises(TypeError):
                store.put(key(1), threading.Lock(), app="a")
            assert (get(store, 1), get(store, 2)) == (None, 2)

    def test_what_cannot_be_unpickled_here(self, tmp_path: Path) -> None:
        with Store(tmp_path) as store:
            store.put_pickled(key(1), b"cno_such_module\nname\n.", app="a")
            with pytest.raises(DamagedEntry, match="cannot be unpickled here: ModuleNotFoundError") as caught:
                get(store, 1)
            assert isinstance(caught.value.__cause__, ModuleNotFoundError)

    def test_threads_share_a_store(self, tmp_path: Path) -> None:
        for sync in (False, True):
            with Store(tmp_path / str(sync), sync=sync) as store:

                def work(thread: int, store: Store = store) -> None:
                    for number in range(100):
                        store.put(key((thread, number)), (thread, number), app="a")
                        assert get(store, (thread, number)) == (thread, number)

                threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
                for one in threads:
                    one.start()
                for one in threads:
                    one.join()
            store = Store(tmp_path / str(sync))
            assert len(store) == 800
            assert all(get(store, (a, b)) == (a, b) for a in range(8) for b in range(100))

    def test_a_forked_child_writes_a_segment_of_its_own(self, tmp_path: Path) -> None:
        with Store(tmp_path) as store:
            store.put(key("before"), 0, app="a")
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    store.put(key("child"), 1, app="a")
                    assert get(store, "before") == 0
                    store.close()
                    status = 0
                finally:
                    os._exit(status)
            for number in range(100):
                store.put(key(number), number, app="a")
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(names(tmp_path, ".seg")) == 2
        store = Store(tmp_path)
        assert (len(store), get(store, "child"), store.damaged) == (102, 1, 0)


class TestLargeValues:
    def test_they_go_to_files_of_their_own(self, tmp_path: Path) -> None:
        with Store(tmp_path, side_limit=1000) as store:
            store.put(key(1), b"x" * 5000, app="a")
            store.put(key(2), b"x" * 500, app="a")
            assert get(store, 1) == b"x" * 5000
        store = Store(tmp_path)
        entry = store.find(key(1))
        assert entry is not None and entry.side.startswith(key(1) + "-") and entry.size > 5000
        assert get(store, 1) == b"x" * 5000
        assert names(tmp_path, ".val") == [entry.side]
        assert names(tmp_path, ".tmp") == []
        assert pickle.loads((tmp_path / "values" / entry.side).read_bytes()) == b"x" * 5000

    def test_written_by_a_worker(self, tmp_path: Path) -> None:
        with Store(tmp_path / "c") as store:
            store.make_directory()
            file, size, crc = sidefiles.write_value(str(tmp_path / "c"), key(1), [1, 2])
            store.put_side(key(1), file, size, crc, app="a", identity="name", parts=())
        assert get(Store(tmp_path / "c"), 1) == [1, 2]

    def test_a_worker_that_does_not_see_the_directory_makes_none(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            sidefiles.write_value(str(tmp_path / "c"), key(1), 1)
        assert names(tmp_path) == []

    @pytest.mark.parametrize("harm", ["cut", "flip", "delete", "delete all"])
    def test_damage(self, tmp_path: Path, harm: str) -> None:
        with Store(tmp_path, side_limit=10) as store:
            store.put(key(1), "x" * 100, app="a")
        file = next((tmp_path / "values").iterdir())
        data = bytearray(file.read_bytes())
        if harm == "cut":
            file.write_bytes(data[:-1])
        elif harm == "flip":
            data[50] ^= 1
            file.write_bytes(data)
        else:
            file.unlink()
            if harm == "delete all":
                file.parent.rmdir()
        with pytest.raises(DamagedEntry, match=f"app 'a' in .*{file.name} cannot be read"):
            get(Store(tmp_path), 1)

    def test_a_name_cannot_lead_out_of_the_directory(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(pickle.dumps(1))
        with Store(tmp_path / "c") as store:
            store.put_side(key(1), "../../secret", len(pickle.dumps(1)), 0, app="a", identity="name", parts=())
            with pytest.raises(DamagedEntry, match="leads out of"):
                get(store, 1)
            store.remove([key(1)])
        assert (tmp_path / "secret").exists()


class TestRemove:
    def test_removed_for_all(self, tmp_path: Path) -> None:
        with Store(tmp_path, side_limit=100) as store:
            for number in range(10):
                store.put(key(number), number, app="a")
            store.put(key("large"), "x" * 200, app="a")
        with Store(tmp_path) as store:
            store.put(key("mine"), 1, app="a")
            assert store.remove([key(1), key("large"), key("mine"), key("unknown"), key(1)]) == 3
            assert len(store) == 9
            assert get(store, 1) is None
        store = Store(tmp_path)
        assert sorted(store.load(entry) for entry in store.entries()) == [0, 2, 3, 4, 5, 6, 7, 8, 9]
        assert len(store) == 9 and get(store, 1) is get(store, "large") is None
        assert names(tmp_path, ".val") == []

    def test_recorded_again_later(self, tmp_path: Path) -> None:
        for _ in range(2):
            with Store(tmp_path) as store:
                store.put(key(1), 1, app="a")
                store.remove([key(1)])
        assert len(Store(tmp_path)) == 0
        with Store(tmp_path) as store:
            store.remove([key(1)])
            store.put(key(1), 2, app="a")
            store.put(key(2), 2, app="a")
            store.remove([key(2)])
            store.put(key(2), 3, app="a")
        assert (get(Store(tmp_path), 1), get(Store(tmp_path), 2)) == (2, 3)

    def test_compacting_gives_the_space_back(self, tmp_path: Path) -> None:
        for run in range(3):
            with Store(tmp_path, side_limit=10000) as store:
                for number in range(1200):
                    store.put(key(number), (run, "x" * 500), app="a")
                store.put(key(("large", run)), "x" * 20000, app="a")
        with Store(tmp_path) as store:
            store.remove([key(number) for number in range(600)])
        size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        open_before = Store(tmp_path)
        freed = compact(tmp_path)
        assert size - sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) == freed
        assert freed > 3000 * 500
        for store in (Store(tmp_path), open_before):
            assert len(store) == 603
            assert get(store, 5) is None
            assert get(store, 700) == (2, "x" * 500)
            assert get(store, ("large", 0)) == "x" * 20000
        assert len(names(tmp_path, ".val")) == 3
        assert compact(tmp_path) == 0

    def test_compacting_leaves_unfinished_segments_and_what_was_removed_from_them(self, tmp_path: Path) -> None:
        running = Store(tmp_path)
        for number in range(10):
            running.put(key(number), number, app="a")
        with Store(tmp_path) as store:
            store.remove([key(1)])
        compact(tmp_path)
        running.put(key("more"), 1, app="a")
        store = Store(tmp_path)
        assert (len(store), get(store, 1), get(store, "more")) == (10, None, 1)
        running.close()
        compact(tmp_path)
        assert len(names(tmp_path, ".seg")) == 1
        assert (len(Store(tmp_path)), get(Store(tmp_path), 1)) == (10, None)

    def test_compacting_deletes_old_value_files_that_nothing_names(self, tmp_path: Path) -> None:
        with Store(tmp_path, side_limit=10) as store:
            store.put(key(1), "x" * 100, app="a")
        for name in ("old.val", "old.tmp", "new.val", "new.tmp"):
            (tmp_path / "values" / name).touch()
            if name.startswith("old"):
                os.utime(tmp_path / "values" / name, (1, 1))
        compact(tmp_path)
        assert len(names(tmp_path / "values")) == 3
        compact(tmp_path, orphan_age=-10)
        assert get(Store(tmp_path), 1) == "x" * 100
        assert len(names(tmp_path / "values")) == 1


WRITER = """
import sys
from parsl_on_dask.checkpoint.store import Store
from tests.checkpoint.test_store import key
store = Store(sys.argv[1], side_limit=3000, sync=sys.argv[3] == "sync")
number = 0
while True:
    store.put(key((sys.argv[2], number)), (number, "x" * (number % 50 * 100)), app="a")
    print(number, flush=True)
    number += 1
"""


@pytest.fixture
def writers() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WRITER, *map(str, arguments)]
        path = os.pathsep.join(p for p in sys.path if p)
        process = interpreters.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


class TestFaults:
    @pytest.mark.parametrize("how", ["background", "sync"])
    def test_killed_writers(self, tmp_path: Path, writers: Callable[..., subprocess.Popen[str]], how: str) -> None:
        # two at a time into the same directory, and each gets as far as chance lets it
        chance = random.Random()
        said: dict[str, int] = {}
        for turn in range(3):
            pair = {f"{turn}{which}": writers(tmp_path, f"{turn}{which}", how) for which in "ab"}
            for process in pair.values():
                assert process.stdout is not None and process.stdout.readline() == "0\n"
            time.sleep(chance.random() * 0.2)
            for name, process in pair.items():
                process.send_signal(signal.SIGKILL)
                assert process.stdout is not None
                lines = process.stdout.read().split("\n")
                said[name] = max([0, *(int(line) for line in lines[:-1] if line)])
                process.wait()
        store = Store(tmp_path)
        for name, last in said.items():
            for number in range(last + 1):
                assert get(store, (name, number)) == (number, "x" * (number % 50 * 100))
        assert len(store) <= sum(said.values()) + 2 * len(said)
        # a process that is killed ends between two pages of what it writes
        assert store.damaged <= len(said)

    def test_the_disk_gets_what_was_put_within_the_stated_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[tuple[int, float]] = []
        real = os.fsync
        monkeypatch.setattr(os, "fsync", lambda fd: (real(fd), synced.append((os.fstat(fd).st_size, time.monotonic()))))
        with Store(tmp_path) as store:
            for number in range(3):
                store.put(key(number), number, app="a")
                put, size = time.monotonic(), os.stat(next(tmp_path.glob("*.seg"))).st_size
                time.sleep(0.7)
                assert any(s >= size and t - put < syncing.WITHIN for s, t in synced)
            quiet = len(synced)
            time.sleep(0.7)
            assert len(synced) == quiet

    def test_sync_means_on_disk_before_put_returns(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        synced: list[int] = []
        real = os.fsync
        monkeypatch.setattr(os, "fsync", lambda fd: (real(fd), synced.append(os.fstat(fd).st_ino)))
        with Store(tmp_path, sync=True) as store:
            for number in range(3):
                store.put(key(number), number, app="a")
                segment = next(tmp_path.glob("*.seg")).stat().st_ino
                assert synced.count(segment) == number + 1
            assert tmp_path.stat().st_ino in synced

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a small disk")
    def test_full_disk(self, tmp_path: Path) -> None:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("a tmpfs cannot be mounted here")
        try:
            (tmp_path / "other").write_bytes(bytes(20000))
            self.fill(tmp_path / "c", lambda: (tmp_path / "other").unlink())
        finally:
            subprocess.run(["umount", "-l", str(tmp_path)], check=True)

    def test_size_limit(self, tmp_path: Path) -> None:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40000, limits[1]))
        try:
            self.fill(tmp_path, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    @staticmethod
    def fill(directory: Path, make_room: Callable[[], None]) -> None:
        store = Store(directory, side_limit=15000)
        put = 0
        with pytest.raises(OSError):
            for put in range(1000):
                store.put(key(put), (put, "x" * 3000), app="a")
        assert put > 3
        with pytest.raises(OSError):
            store.put(key("large"), "x" * 60000, app="a")
        assert names(directory, ".tmp") == names(directory, ".val") == []
        assert get(store, put) is None
        assert (len(Store(directory)), Store(directory).damaged) == (put, 0)  # no half a record is left
        make_room()
        store.put(key("later"), (0, "y" * 5000), app="a")
        store.close()
        for again in (store, Store(directory)):
            assert len(again) == put + 1
            assert get(again, "later") == (0, "y" * 5000)
            assert all(get(again, number) == (number, "x" * 3000) for number in range(put))
            assert again.damaged == 0

    def test_full_from_the_start(self, tmp_path: Path) -> None:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
        try:
            with Store(tmp_path) as store, pytest.raises(OSError):
                store.put(key(1), 1, app="a")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert names(tmp_path) == []

    def test_read_only_directory(self) -> None:
        program = """
import os, sys
from parsl_on_dask.checkpoint.store import Store
from tests.checkpoint.test_store import key
if os.geteuid() == 0:  # who may write anywhere
    os.setgid(65534)
    os.setuid(65534)
directory = os.path.join(sys.argv[1], "c")
with Store(directory) as store:
    store.put(key(1), 1, app="a")
before = sorted(os.listdir(directory))
os.chmod(directory, 0o500)
store = Store(directory, side_limit=100)
assert store.load(store.find(key(1))) == 1
for value in (2, "x" * 200):
    try:
        store.put(key(2), value, app="a")
    except PermissionError as error:
        print("refused", error.filename.startswith(directory))
assert store.find(key(2)) is None
store.close()
assert sorted(os.listdir(directory)) == before
os.chmod(directory, 0o700)
"""
        path = os.pathsep.join(p for p in sys.path if p)
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)  # pytest's own can be entered by nobody else
            done = subprocess.run(
                [sys.executable, "-c", program, folder],
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": path},
            )
        assert (done.stdout, done.returncode) == ("refused True\nrefused True\n", 0), done.stderr

    @pytest.mark.parametrize("sync", [False, True])
    @pytest.mark.parametrize("how", ["deleted", "renamed"])
    def test_directory_that_vanishes(self, tmp_path: Path, sync: bool, how: str) -> None:
        directory = tmp_path / "c"
        store = Store(directory, sync=sync)
        store.put(key(1), 1, app="a")
        if how == "renamed":
            directory.rename(tmp_path / "d")
            store.put(key(2), 2, app="a")  # the file goes with it
            store.close()
            assert len(Store(tmp_path / "d")) == 2
            return
        shutil.rmtree(directory)
        if sync:
            with pytest.raises(OSError, match="has been deleted while it was written"):
                store.put(key(2), 2, app="a")
            with pytest.raises(OSError, match="has vanished while it was in use"):
                store.put(key(2), 2, app="a")
            with pytest.raises(OSError):
                store.put(key(2), "x" * 100000, app="a")
            store.close()
        else:
            store.put(key(2), 2, app="a")
            with pytest.warns(CheckpointWarning, match="has been deleted while it was written"):
                store.close()
        assert not directory.exists()

    def test_a_vanished_directory_is_noticed_in_the_background(self, tmp_path: Path) -> None:
        with Store(tmp_path / "c") as store:
            store.put(key(1), 1, app="a")
            time.sleep(syncing.WITHIN)
            shutil.rmtree(tmp_path / "c")
            with pytest.warns(CheckpointWarning, match="has been deleted while it was written"):
                store.put(key(2), 2, app="a")
                time.sleep(syncing.WITHIN)
            with pytest.raises(FileNotFoundError, match="has vanished while it was in use"):
                store.put(key(3), 3, app="a")
            (tmp_path / "c").mkdir()
            store.put(key(4), 4, app="a")
        assert get(Store(tmp_path / "c"), 4) == 4

    def test_a_failed_fsync_is_an_error_and_its_file_not_trusted_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(fd: int) -> None:
            raise OSError(5, "Input/output error")

        with Store(tmp_path, sync=True) as store:
            store.put(key(1), 1, app="a")
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", broken)
                with pytest.raises(OSError, match="Input/output error"):
                    store.put(key(2), 2, app="a")
            store.put(key(3), 3, app="a")
        assert len(names(tmp_path, ".seg")) == 2
        assert (get(Store(tmp_path), 1), get(Store(tmp_path), 3)) == (1, 3)


def test_segments_roll_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parsl_on_dask.checkpoint.appending.SEGMENT_LIMIT", 1000)
    with Store(tmp_path) as store:
        for number in range(100):
            store.put(key(number), number, app="a")
        assert len(names(tmp_path, ".seg")) > 5
        assert [get(store, number) for number in range(100)] == list(range(100))
    assert sorted(Store(tmp_path).load(entry) for entry in Store(tmp_path).entries()) == list(range(100))


def test_importing_stays_light() -> None:
    program = "import sys, parsl_on_dask.checkpoint.store; print({'numpy', 'dask', 'distributed'} & set(sys.modules))"
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.stdout == "set()\n", done.stderr
