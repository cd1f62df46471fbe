"""Files as parts of keys: by name, by time of change, by what is in them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.checkpoint import ids_files
from parsl_on_dask.checkpoint.keys import make_hash
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.errors import ConfigurationError


def app(x: Any = None, inputs: Any = (), outputs: Any = ()) -> None:
    pass


def key(*args: Any, files: Any = "path", **kwargs: Any) -> str:
    return make_hash({"func": app, "args": args, "kwargs": kwargs, "ignore_for_cache": ()}, files=files)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "in.txt"
    path.write_text("one")
    old = time.time() - 1000
    os.utime(path, (old, old))
    return path


def changed(path: Path, text: str, keep_time: bool = False) -> None:
    before = path.stat().st_mtime_ns
    path.write_text(text)
    after = before if keep_time else before + 1
    os.utime(path, ns=(after, after))


def all_keys(path: Path) -> dict[str, str]:
    return {policy: key(inputs=[File(str(path))], files=policy) for policy in ids_files.POLICIES}


def test_the_policies_differ_and_are_repeatable(path: Path) -> None:
    assert all_keys(path) == all_keys(path)
    assert len(set(all_keys(path).values())) == 3


@pytest.mark.parametrize(
    ("text", "keep_time", "noticed"),
    [("two", False, {"stat", "content"}), ("one", False, {"stat"}), ("three", True, {"stat", "content"})],
)
def test_what_is_noticed(path: Path, text: str, keep_time: bool, noticed: set[str]) -> None:
    before = all_keys(path)
    changed(path, text, keep_time)
    after = all_keys(path)
    assert {policy for policy in before if before[policy] != after[policy]} == noticed


def test_a_path_and_a_url_of_it_are_the_same_file(path: Path) -> None:
    for policy in ids_files.POLICIES:
        assert key(File(str(path)), files=policy) == key(File(f"file://{path}"), files=policy)


def test_a_local_path_of_a_staged_copy_does_not_count_as_name() -> None:
    staged = File("https://example.org/in.txt")
    staged.local_path = "/somewhere/in.txt"
    for policy in ("path", "stat"):
        assert key(staged, files=policy) == key(File("https://example.org/in.txt"), files=policy)


def test_the_content_of_a_staged_copy_that_is_here(path: Path) -> None:
    staged = File("https://example.org/in.txt")
    staged.local_path = str(path)
    before = key(staged, files="content")
    changed(path, "two")
    assert key(staged, files="content") != before


def test_outputs_count_by_name(path: Path) -> None:
    missing = File(str(path.with_name("out.txt")))
    for policy in ids_files.POLICIES:
        assert key(outputs=[missing], files=policy) == key(outputs=[missing])
        assert key(stdout=missing, stderr=missing, files=policy) == key(stdout=missing, stderr=missing)
    assert key(outputs=[missing]) != key(outputs=[File("other.txt")])


def test_a_missing_input_is_an_error_that_says_which(path: Path) -> None:
    missing = File(str(path.with_name("gone.txt")))
    assert key(missing)
    for policy in ("stat", "content"):
        with pytest.raises(FileNotFoundError, match=r"app 'app' .*keyword inputs\[1\]: input file .*gone\.txt"):
            key(inputs=[File(str(path)), missing], files=policy)


def test_a_directory_has_no_content(path: Path) -> None:
    assert key(File(str(path.parent)), files="stat")
    with pytest.raises(FileNotFoundError, match="cannot be read .*files='path' or 'stat'"):
        key(File(str(path.parent)), files="content")


def test_an_unknown_policy_is_refused(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="files='hash'.*'content'"):
        key(1, files="hash")


def test_content_is_read_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = key(File(str(path)), files="content")
    monkeypatch.setattr(ids_files, "open", lambda *a: pytest.fail("read again"), raising=False)
    assert key(File(str(path)), files="content") == first


def test_a_file_that_has_just_changed_is_read_again(path: Path) -> None:
    now = time.time_ns()
    for text in ("one", "two"):
        path.write_text(text)
        os.utime(path, ns=(now, now))
        keys = key(File(str(path)), files="content")
        assert keys != key(File(str(path)), files="path")
    path.write_text("one")
    os.utime(path, ns=(now, now))
    assert key(File(str(path)), files="content") != keys
