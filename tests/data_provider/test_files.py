"""A File is a path or a URL."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from parsl_on_dask.data_provider.files import File


def parts(file: File) -> tuple[str, str, str, str]:
    return file.scheme, file.netloc, file.path, file.filename


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("in.txt", ("file", "", "in.txt", "in.txt")),
        ("/a/b.txt", ("file", "", "/a/b.txt", "b.txt")),
        ("", ("file", "", "", "")),
        ("some weird :// url", ("file", "", "some weird :// url", " url")),
        ("file:///a/b.txt", ("file", "", "/a/b.txt", "b.txt")),
        ("file://host/a/b.txt", ("file", "host", "/a/b.txt", "b.txt")),
        ("file:rel/b.txt", ("file", "", "rel/b.txt", "b.txt")),
        ("https://example.org/a/b.txt?version=1#top", ("https", "example.org", "/a/b.txt", "b.txt")),
        ("ftp://host/b.txt", ("ftp", "host", "/b.txt", "b.txt")),
        ("globus://ddb59aef/home/b.txt", ("globus", "ddb59aef", "/home/b.txt", "b.txt")),
        ("zip:/a/b.zip/inside", ("zip", "", "/a/b.zip/inside", "inside")),
        ("zip:/a/b.zip/in side#1?\n.txt", ("zip", "", "/a/b.zip/in side#1?\n.txt", "in side#1?\n.txt")),
        ("zip://host/b.zip/x", ("zip", "host", "/b.zip/x", "x")),
        ("own:key", ("own", "", "key", "key")),
        # a path may hold what would mean something in a URL
        ("a#1?b;c.txt", ("file", "", "a#1?b;c.txt", "a#1?b;c.txt")),
        ("file:///a/b#1.txt", ("file", "", "/a/b#1.txt", "b#1.txt")),
        (Path("run:1.txt"), ("file", "", "run:1.txt", "run:1.txt")),
        (Path("a/b.txt"), ("file", "", "a/b.txt", "b.txt")),
    ],
    ids=str,
)
def test_parts(url: Any, expected: tuple[str, str, str, str]) -> None:
    file = File(url)
    assert parts(file) == expected
    assert file.url == str(url)
    assert file.local_path is None


@pytest.mark.parametrize("wrong", [None, 5, b"bytes.txt", ["a"]])
def test_anything_else_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="str or PathLike"):
        File(wrong)


def test_a_local_file_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("hello")
    file = File(tmp_path / "in.txt")
    assert open(file).read() == "hello"
    assert os.fspath(file) == str(file) == file.filepath == str(tmp_path / "in.txt")


def test_a_remote_file_has_a_path_once_it_is_staged() -> None:
    file = File("https://example.org/b.txt")
    with pytest.raises(ValueError, match=r"No local_path set for <File at .*inside the app"):
        _ = file.filepath
    file.local_path = "/scratch/b.txt"
    assert os.fspath(file) == str(file) == "/scratch/b.txt"
    assert "local_path=/scratch/b.txt" in repr(file)


def test_a_clean_copy_forgets_where_the_file_was_staged_to() -> None:
    file = File("https://example.org/b.txt")
    file.local_path = "/scratch/b.txt"
    clean = file.cleancopy()
    assert clean is not file
    assert parts(clean) == parts(file) and clean.url == file.url
    assert clean.local_path is None and file.local_path == "/scratch/b.txt"


class OwnFile(File):
    def __init__(self, name: str, size: int) -> None:
        super().__init__(f"own:/{name}")
        self.size = size


def test_a_clean_copy_of_a_subclass_is_of_that_class() -> None:
    clean = OwnFile("a", 7).cleancopy()
    assert type(clean) is OwnFile and clean.size == 7


def test_equality_is_identity() -> None:
    one, other = File("a"), File("a")
    assert one != other and len({one, other}) == 2


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_it_can_be_pickled(dumps: Any) -> None:
    file = File("https://example.org/b.txt")
    file.local_path = "/scratch/b.txt"
    assert pickle.loads(dumps(file)).__dict__ == file.__dict__


def test_the_repr_shows_all() -> None:
    file = File("https://example.org/a/b.txt")
    assert repr(file) == (
        f"<File at {id(file):#x} url=https://example.org/a/b.txt scheme=https netloc=example.org "
        "path=/a/b.txt filename=b.txt>"
    )
