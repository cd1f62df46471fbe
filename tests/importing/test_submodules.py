"""After ``import parsl`` submodules are attributes, as many scripts expect, at no cost."""

from __future__ import annotations

import importlib
import json
from functools import reduce
from pathlib import Path

import pytest

import parsl_on_dask
from ci.coverage.page import NEWEST
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.importing import alias
from parsl_on_dask.old_spellings.gone import GONE
from tests.front_door.programs import FRONT, says

#: Those that Parsl makes attributes.
LOADED: list[str] = json.loads(NEWEST.read_text())["loaded"]


def test_each_is_an_attribute_of_its_package_and_none_is_imported_before(tmp_path: Path) -> None:
    text = f"""
        import sys
        import parsl
        early = [m for m in {LOADED!r} if m.replace("parsl", "parsl_on_dask", 1) in sys.modules]
        for name in {LOADED!r}:
            module = parsl
            for part in name.split(".")[1:]:
                assert part in dir(module), name
                module = getattr(module, part)
            assert module.__name__ == name.replace("parsl", "parsl_on_dask", 1), name
        print(early, [m for m in ("dask", "distributed", "kubernetes", "globus_sdk") if m in sys.modules])
        """
    # the command line's own
    assert says(tmp_path, text, *FRONT) == "['parsl.errors', 'parsl.version'] []\n"


@pytest.mark.parametrize("name", LOADED)
def test_each_can_be_imported_by_both_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = importlib.import_module(name.replace("parsl", "parsl_on_dask", 1))
    alias.install("parsl_by_name")
    try:
        assert importlib.import_module(name.replace("parsl", "parsl_by_name", 1)) is ours
    finally:
        alias.uninstall("parsl_by_name")


def test_what_dir_lists_can_be_had() -> None:
    package = parsl_on_dask.providers  # type: ignore[attr-defined]
    assert {"slurm", "SlurmProvider", "kubernetes", "KubernetesProvider"} <= set(dir(package))
    assert all(getattr(package, name, None) is not None for name in dir(package) if not name.startswith("_"))


def test_a_name_that_is_no_module_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'parsl_on_dask\.app' has no attribute 'nothing'"):
        parsl_on_dask.app.nothing  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(parsl_on_dask.app, "__wrapped__")  # type: ignore[attr-defined]


def test_a_module_that_cannot_be_imported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.py").write_text("import a_package_that_is_not_there")
    monkeypatch.setattr(parsl_on_dask.app, "__path__", [*parsl_on_dask.app.__path__, str(tmp_path)])  # type: ignore[attr-defined]
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_there"):
        parsl_on_dask.app.broken  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("module", GONE)
def test_a_module_without_a_file_gives_what_it_can_and_refuses_the_rest(module: str) -> None:
    found = reduce(getattr, module.split("."), parsl_on_dask)
    for name in GONE[module].there:
        assert getattr(found, name) is not None
    for name in GONE[module].names.split():
        with pytest.raises(ConfigurationError, match=rf"parsl\.{module}\.{name}: .{{40}}"):
            getattr(found, name)
    with pytest.raises(AttributeError):
        found.nothing  # noqa: B018
    assert found.__doc__


def test_no_file_is_shadowed_by_the_table_and_its_names_are_those_of_parsl() -> None:
    root = Path(parsl_on_dask.__file__).parent
    surface = json.loads(NEWEST.read_text())["modules"]
    for module, gone in GONE.items():
        assert not root.joinpath(*module.split(".")).with_suffix(".py").exists()
        if gone.names and f"parsl.{module}" in surface:
            assert {*gone.names.split(), *gone.there} == set(surface[f"parsl.{module}"])
