"""Files appear whole, and are written once by those who want the same one at the same time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.remote import locks, placing
from parsl_on_dask.remote.locks import locked
from parsl_on_dask.remote.placing import place
from tests.helpers import append, eventually


def text(what: str) -> Any:
    def write(path: str) -> None:
        with open(path, "w") as f:
            f.write(what)

    return write


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_file_and_its_directories(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "c.txt"
    place(str(target), text("one"))
    place(str(target), text("two"), key="key")
    assert target.read_text() == "two"
    assert names(target.parent) == ["c.txt"]


def test_a_file_beside_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place("c.txt", text("one"), key="key")
    assert names(tmp_path) == ["c.txt"]


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    place(str(tmp_path / ("n" * 255)), text("one"), key="key")
    assert names(tmp_path) == ["n" * 255]


@pytest.mark.parametrize("once", [None, "key"])
def test_half_a_file_is_never_seen_and_nothing_is_left(tmp_path: Path, once: str | None) -> None:
    target = tmp_path / "c.txt"
    target.write_text("before")

    def breaks(path: str) -> None:
        text("half")(path)
        assert target.read_text() == "before"
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="^gone$"):
        place(str(target), breaks, key=once)
    assert names(tmp_path) == ["c.txt"] and target.read_text() == "before"


@pytest.mark.parametrize("once", [None, "key"])
def test_directories_are_not_replaced(tmp_path: Path, once: str | None) -> None:
    (tmp_path / "d").mkdir()
    for wrong in (tmp_path / "d", f"{tmp_path}/", f"{tmp_path}/..", f"{tmp_path}/."):
        with pytest.raises(IsADirectoryError, match="directory"):
            place(str(wrong), text("x"), key=once)
    with pytest.raises(OSError, match="c.txt"):
        (tmp_path / "c.txt").write_text("a file")
        place(str(tmp_path / "c.txt" / "e.txt"), text("x"), key=once)
    assert names(tmp_path) == ["c.txt", "d"] and names(tmp_path / "d") == []


def test_a_symbolic_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.txt").write_text("precious")
    (tmp_path / "c.txt").symlink_to(tmp_path / "elsewhere.txt")
    place(str(tmp_path / "c.txt"), text("new"))
    assert (tmp_path / "elsewhere.txt").read_text() == "precious"
    assert (tmp_path / "c.txt").read_text() == "new" and not (tmp_path / "c.txt").is_symlink()


def test_errors_name_the_target(tmp_path: Path) -> None:
    def opens_what_is_not_there(path: str) -> None:
        open(path)

    with pytest.raises(FileNotFoundError) as caught:
        place(str(tmp_path / "c.txt"), opens_what_is_not_there)
    assert caught.value.filename == str(tmp_path / "c.txt") and ".part" not in str(caught.value)


def count_and_write(target: str, count: str, gate: str | None = None, key: str = "key", version: Any = None) -> None:
    def write(path: str) -> None:
        append(count)
        if gate is not None:
            eventually(lambda: os.path.exists(gate), "the gate is open", 60)
        text("whole")(path)

    place(target, write, key=key, version=version)
    assert Path(target).read_text() == "whole"


@pytest.mark.parametrize("kind", [threading.Thread, multiprocessing.get_context("fork").Process])
def test_equal_keys_that_overlap_are_written_once(tmp_path: Path, kind: Any) -> None:
    target, count, gate = (str(tmp_path / n) for n in ("c.txt", "count", "gate"))
    workers = [kind(target=count_and_write, args=(target, count, gate)) for _ in range(4)]
    for w in workers:
        w.start()
    eventually(lambda: os.path.exists(count), "one writes", 60)
    # all of the others have opened the lock before it ends
    eventually(lambda: openers(tmp_path) >= 4, "the others wait", 60)
    open(gate, "w").close()
    for w in workers:
        w.join(60)
    assert Path(count).read_text() == "x"
    assert names(tmp_path) == ["c.txt", "count", "gate"]
    count_and_write(target, count)  # and one that comes later writes again
    assert Path(count).read_text() == "xx"


def openers(folder: Path) -> int:
    found = 0
    for fd in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            found += os.readlink(fd).startswith(f"{folder}/.parsl-") and os.readlink(fd).endswith(".lock")
        except OSError:
            continue
    return found


def test_other_keys_are_written_too(tmp_path: Path) -> None:
    target, count, gate = (str(tmp_path / n) for n in ("c.txt", "count", "gate"))
    threads = [threading.Thread(target=count_and_write, args=(target, count, gate, key)) for key in ("a", "b", "b")]
    for t in threads:
        t.start()
    eventually(lambda: openers(tmp_path) >= 3, "all are there", 60)
    open(gate, "w").close()
    for t in threads:
        t.join(60)
    assert len(Path(count).read_text()) in (2, 3)  # b, a, b are three
    assert names(tmp_path) == ["c.txt", "count", "gate"]


def test_when_the_writer_fails_another_one_writes(tmp_path: Path) -> None:
    target, count = str(tmp_path / "c.txt"), str(tmp_path / "count")
    failing, failed = threading.Event(), []

    def breaks(path: str) -> None:
        text("half")(path)
        failing.set()
        eventually(lambda: openers(tmp_path) >= 2, "another one waits", 60)
        raise ConnectionResetError("gone")

    def first() -> None:
        try:
            place(target, breaks, key="key")
        except ConnectionResetError as e:
            failed.append(e)

    thread = threading.Thread(target=first)
    thread.start()
    assert failing.wait(60)
    count_and_write(target, count)
    thread.join(60)
    assert failed and Path(count).read_text() == "x"
    assert names(tmp_path) == ["c.txt", "count"]


def test_a_killed_writer_holds_up_nobody_and_leaves_nothing(tmp_path: Path) -> None:
    target, count = str(tmp_path / "c.txt"), str(tmp_path / "count")

    def hangs() -> None:
        def write(path: str) -> None:
            text("half")(path)
            open(tmp_path / "started", "w").close()
            signal.pause()

        place(target, write, key="key")

    process = multiprocessing.get_context("fork").Process(target=hangs)
    process.start()
    eventually((tmp_path / "started").exists, "it writes", 60)
    thread = threading.Thread(target=count_and_write, args=(target, count))
    thread.start()
    eventually(lambda: openers(tmp_path) >= 2, "another one waits", 60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    thread.join(60)
    assert not thread.is_alive()
    assert Path(count).read_text() == "x"
    assert names(tmp_path) == ["c.txt", "count", "started"]


@pytest.mark.parametrize("attributes", [True, False])
def test_a_batch_writes_once_until_the_file_changes(
    tmp_path: Path, attributes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not attributes:

        def refuse(*args: Any) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(placing.os, "setxattr", refuse)
        monkeypatch.setattr(placing.os, "getxattr", refuse)
    target, count = str(tmp_path / "c.txt"), str(tmp_path / "count")
    for version, runs in [("one", 1), ("one", 1), ("two", 2), ("two", 2)]:
        count_and_write(target, count, version=version)
        assert len(Path(count).read_text()) == runs
    Path(target).write_text("changed")
    count_and_write(target, count, version="two")
    os.unlink(target)
    count_and_write(target, count, version="two")
    assert len(Path(count).read_text()) == 4
    assert names(tmp_path) == ["c.txt", "count"]


def test_without_locks_everybody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    count_and_write(str(tmp_path / "c.txt"), str(tmp_path / "count"))
    with locked(str(tmp_path / "lock")):
        pass
    assert names(tmp_path) == ["c.txt", "count"]


def test_a_lock_admits_one_at_a_time(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        for _ in range(20):
            with locked(str(tmp_path / "lock")):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert len(most) == 80 and max(most) == 1 and names(tmp_path) == []
