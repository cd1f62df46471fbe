"""Functions that are called when a package is imported."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parsl_on_dask.importing import afterwards
from parsl_on_dask.importing.afterwards import when_imported

NAME = "package_for_afterwards"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of a package that nobody has imported."""
    (tmp_path / NAME).mkdir()
    file = tmp_path / NAME / "__init__.py"
    file.write_text("ready = True\n")
    (tmp_path / NAME / "below.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield file
    afterwards._wanted.pop(NAME, None)
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


@pytest.mark.parametrize("what", [NAME, f"{NAME}.below"])
def test_it_is_called_once_when_the_package_is_there(package: Path, what: str) -> None:
    seen: list[bool] = []

    def note() -> None:
        seen.append(sys.modules[NAME].ready)

    when_imported(NAME, note)
    when_imported(NAME, note)
    assert not seen and NAME not in sys.modules
    importlib.import_module(what)
    assert seen == [True]
    assert "exec_module" not in vars(sys.modules[NAME].__spec__.loader)  # type: ignore[union-attr]


def test_at_once_when_it_is_there_already(package: Path) -> None:
    importlib.import_module(NAME)
    seen: list[int] = []
    when_imported(NAME, lambda: seen.append(1))
    assert seen == [1] and NAME not in afterwards._wanted


def test_asking_for_the_spec_is_no_import(package: Path) -> None:
    seen: list[int] = []
    when_imported(NAME, lambda: seen.append(1))
    assert importlib.util.find_spec(NAME) is not None and not seen
    importlib.import_module(NAME)
    assert seen == [1]


def test_an_import_that_fails_may_be_tried_again(package: Path) -> None:
    seen: list[int] = []
    when_imported(NAME, lambda: seen.append(1))
    package.write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        importlib.import_module(NAME)
    package.write_text("ready = 'now'\n")
    importlib.invalidate_caches()
    importlib.import_module(NAME)
    assert seen == [1]


def test_nothing_watches_when_nothing_is_wanted(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(afterwards, "_wanted", {})
    when_imported(NAME, lambda: None)
    assert afterwards._Watcher in sys.meta_path
    importlib.import_module(NAME)
    assert afterwards._Watcher not in sys.meta_path
