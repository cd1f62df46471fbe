"""After ``import parsl`` submodules are attributes, as many scripts expect, at no cost."""

from __future__ import annotations

import importlib
import json
import pickle
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


@pytest.mark.parametrize("module", ["providers.slurm.slurm", "channels.ssh.ssh", "configs.anvil"])
def test_a_folder_that_an_earlier_release_has_left_is_no_package(module: str, tmp_path: Path) -> None:
    """Where sources are updated in place, folders stay that hold compiled files alone."""
    package, *folders = module.split(".")
    tmp_path.joinpath(package, *folders, "__pycache__").mkdir(parents=True)
    text = f"""
        import importlib
        import parsl_on_dask.{package} as package
        package.__path__.append({str(tmp_path / package)!r})
        print(importlib.import_module("parsl_on_dask.{module}").__doc__ is not None)
        """
    assert says(tmp_path, text, *FRONT) == "True\n"


SAME = {module: gone.same for module, gone in GONE.items() if gone.same}


@pytest.mark.parametrize("module", SAME)
def test_a_second_path_has_the_names_of_the_module_itself(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module(f"parsl_on_dask.{SAME[module]}")
    other = importlib.import_module(f"parsl_on_dask.{module}")
    names = [name for name in dir(real) if not name.startswith("_")]
    assert all(getattr(other, name) is getattr(real, name) for name in names)
    namespace: dict[str, object] = {}
    exec(f"from parsl_on_dask.{module} import *", namespace)
    assert set(names) <= set(namespace)
    # programs' own tests patch what a module imports
    monkeypatch.setattr(other, "patched", max, raising=False)
    assert real.patched is max


def test_an_old_path_is_a_module_for_every_way_to_import_it(tmp_path: Path) -> None:
    text = """
        import importlib, pickle, sys
        import parsl.channels.ssh.ssh
        import parsl.providers.slurm.slurm as by_name
        from parsl.providers.slurm.slurm import SlurmProvider
        from parsl.configs.expanse import config
        assert parsl.channels.ssh.ssh.SSHChannel("host").host == "host"
        assert by_name.SlurmProvider is SlurmProvider is parsl.providers.SlurmProvider
        assert importlib.import_module("parsl.executors.ipp").IPyParallelExecutor is parsl.executors.IPyParallelExecutor
        assert importlib.util.find_spec("parsl.executors.flux.executor") is not None
        assert pickle.loads(pickle.dumps(SlurmProvider)) is SlurmProvider
        print(config.executors[0].label)
        """
    assert says(tmp_path, text, *FRONT) == "Expanse_CPU_Multinode\n"


@pytest.mark.parametrize(
    "path", ["providers.slurm.slurm SlurmProvider", "executors.taskvine.executor TaskVineExecutor"]
)
def test_a_pickle_that_names_an_old_path_can_be_read(path: str) -> None:
    module, _, name = path.partition(" ")
    assert pickle.loads(f"cparsl_on_dask.{module}\n{name}\n.".encode()).__name__ == name


@pytest.mark.parametrize(
    "path", ["providers.slurm.nothing", "channels.ssh.nothing", "configs.nothing", "executors.nothing.x"]
)
def test_a_path_that_is_in_no_table_is_not_found(path: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named"):
        importlib.import_module(f"parsl_on_dask.{path}")
