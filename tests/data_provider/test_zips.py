"""A zip file that several write to holds what each of them has written, whoever is killed meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.data_provider.zip import zip_path_split
from parsl_on_dask.remote import zips
from parsl_on_dask.remote.zips import add, extract

BODY = random.Random(1).randbytes(300_000)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(BODY)
    return tmp_path / "source"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "zips" / "a.zip"


def intact(archive: Path, members: list[str]) -> None:
    with zipfile.ZipFile(archive) as z:
        assert sorted(z.namelist()) == sorted(members) and z.testzip() is None
    assert os.listdir(archive.parent) == [archive.name]


def test_in_and_out(archive: Path, source: Path, tmp_path: Path) -> None:
    add(str(archive), "x/y.bin", str(source))
    intact(archive, ["x/y.bin"])
    extract(str(archive), "x/y.bin", str(tmp_path / "part"))
    assert (tmp_path / "part").read_bytes() == BODY


def test_a_member_of_the_same_name_hides_the_older_one(archive: Path, source: Path, tmp_path: Path) -> None:
    add(str(archive), "x", str(source))
    source.write_text("new")
    add(str(archive), "x", str(source))
    extract(str(archive), "x", str(tmp_path / "part"))
    assert (tmp_path / "part").read_text() == "new"


def test_several_processes_and_threads_write_at_once(archive: Path, source: Path) -> None:
    context = multiprocessing.get_context("fork")

    def work(who: int) -> None:
        threads = [threading.Thread(target=add, args=(str(archive), f"{who}-{i}", str(source))) for i in range(5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    processes = [context.Process(target=work, args=(n,)) for n in range(3)]
    for p in processes:
        p.start()
    for p in processes:
        p.join(60)
    intact(archive, [f"{n}-{i}" for n in range(3) for i in range(5)])


def test_a_killed_writer_takes_nothing_along(
    archive: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        add(str(archive), name, str(source))
    for point in (1, 100, 70_000, 290_000):
        context = multiprocessing.get_context("fork")

        def killed(point: int = point) -> None:
            """Dies when it has written so much."""
            count = 0
            write = zipfile._ZipWriteFile.write  # type: ignore[attr-defined]

            def counting(self: Any, data: bytes) -> Any:
                nonlocal count
                result = write(self, data)
                self._fileobj.flush()
                count += len(data)
                if count >= point:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            zipfile._ZipWriteFile.write = counting  # type: ignore[attr-defined]
            add(str(archive), "three", str(source))

        process = context.Process(target=killed)
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        extract(str(archive), "two", str(tmp_path / "part"))
        assert (tmp_path / "part").read_bytes() == BODY
        intact(archive, ["one", "two"])


@pytest.fixture
def tiny() -> Iterator[Path]:
    """A file system of 256 KiB."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tiny", folder], capture_output=True)
        if mounted.returncode:
            pytest.skip("needs a full disk: run as root, who can mount a tmpfs")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def test_no_space_left(tiny: Path, source: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_text("small")
    archive = tiny / "a.zip"
    with pytest.raises(OSError, match=r"No space left on device: '.*a.zip'"):
        add(str(archive), "big", str(source))
    assert os.listdir(tiny) == []
    add(str(archive), "small", str(small))
    with pytest.raises(OSError, match="No space left"):
        add(str(archive), "big", str(source))
    intact(archive, ["small"])
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as z:
        z.write(source, "big")
    from parsl_on_dask.remote.placing import place

    with pytest.raises(OSError, match=r"No space left on device: '.*/got'"):
        place(str(tiny / "got"), lambda part: extract(str(tmp_path / "b.zip"), "big", part))
    intact(archive, ["small"])


def test_what_is_no_zip_file_stays_as_it_is(archive: Path, source: Path) -> None:
    archive.parent.mkdir()
    archive.write_text("precious")
    with pytest.raises(zipfile.BadZipFile):
        add(str(archive), "x", str(source))
    assert archive.read_text() == "precious" and os.listdir(archive.parent) == ["a.zip"]


def test_a_note_that_was_not_finished_is_not_believed(archive: Path, source: Path) -> None:
    add(str(archive), "one", str(source))
    Path(f"{archive}{zips.KEPT}").write_bytes(b"\0" * 30)
    add(str(archive), "two", str(source))
    intact(archive, ["one", "two"])


def test_members_that_are_directories(archive: Path, source: Path, tmp_path: Path) -> None:
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as z:
        z.mkdir("folder") if hasattr(z, "mkdir") else z.writestr("folder/", "")
    with pytest.raises(FileNotFoundError, match="there is no 'folder' in the zip file"):
        extract(str(archive), "folder", str(tmp_path / "part"))


@pytest.mark.parametrize("path", ["/a.zip", "/a.zip/", "/a.tar/x", "x", ""])
def test_paths_without_a_zip_file_or_a_member(path: str) -> None:
    with pytest.raises(ValueError, match="names no file in a zip file"):
        zip_path_split(path)


def test_the_first_zip_file_in_a_path_counts() -> None:
    assert zip_path_split("/a.zip/b.zip/c") == ("/a.zip", "b.zip/c")
