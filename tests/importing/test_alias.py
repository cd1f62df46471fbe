"""`import parsl` means this package, whichever way it is spelled and wherever it is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from parsl_on_dask.importing import alias
from tests.front_door.programs import FRONT, python, says, write

REAL = "raise SystemExit('a real parsl ran')"


def test_every_spelling_gives_the_same_module_objects(tmp_path: Path) -> None:
    text = """
        import importlib, sys
        import parsl_on_dask
        parsl_on_dask.install()
        parsl_on_dask.install()
        import parsl
        import parsl.config as c
        import parsl.app.app
        from parsl.executors import ThreadPoolExecutor
        from parsl.dataflow import states
        import parsl_on_dask.executors

        assert parsl is parsl_on_dask is sys.modules["parsl"]
        assert c is sys.modules["parsl_on_dask.config"] is sys.modules["parsl.config"] is parsl.config
        assert parsl.app.app is importlib.import_module("parsl_on_dask.app.app")
        assert ThreadPoolExecutor is parsl_on_dask.executors.ThreadPoolExecutor
        assert importlib.import_module("parsl.dataflow.states") is states
        assert importlib.import_module(".states", "parsl.dataflow") is states
        """
    says(tmp_path, text)


def test_a_module_keeps_its_own_name_and_spec(tmp_path: Path) -> None:
    text = """
        import parsl_on_dask
        parsl_on_dask.install()
        import parsl.config, importlib
        for module, name in [(parsl, "parsl_on_dask"), (parsl.config, "parsl_on_dask.config")]:
            assert module.__name__ == module.__spec__.name == name, module.__spec__
        assert parsl.config.Config.__module__ == "parsl_on_dask.config"
        assert importlib.reload(parsl.config) is parsl.config
        """
    says(tmp_path, text)


def test_pickles_that_name_parsl_give_this_packages_classes(tmp_path: Path) -> None:
    text = r"""
        import pickle
        import parsl_on_dask
        parsl_on_dask.install()
        found = pickle.loads(b"cparsl.data_provider.files\nFile\n.")
        from parsl_on_dask.data_provider.files import File
        assert found is File
        """
    says(tmp_path, text)


def test_a_module_that_does_not_exist_is_named_as_it_was_asked_for(tmp_path: Path) -> None:
    text = """
        import importlib.util
        import parsl_on_dask
        parsl_on_dask.install()
        try:
            import parsl.no_such_thing
        except ModuleNotFoundError as error:
            print(error.name, "|", error)
        print(importlib.util.find_spec("parsl.no_such_thing"))
        """
    assert says(tmp_path, text).splitlines() == [
        "parsl.no_such_thing | No module named 'parsl.no_such_thing'",
        "None",
    ]


def test_uninstall_gives_the_name_back(tmp_path: Path) -> None:
    write(tmp_path, "parsl/__init__.py", "kind = 'real'")
    write(tmp_path, "parsl/config.py", "kind = 'real config'")
    text = """
        import sys
        from parsl_on_dask.importing import alias
        alias.install()
        import parsl.config as ours
        alias.uninstall()
        alias.uninstall()
        import parsl, parsl.config as theirs
        print(ours.__name__, parsl.kind, theirs.kind, alias.environment())
        """
    assert says(tmp_path, text).split() == ["parsl_on_dask.config", "real", "real", "config", "{}"]


def test_an_installed_parsl_is_hidden_and_the_log_says_so_once(tmp_path: Path) -> None:
    write(tmp_path, "parsl/__init__.py", REAL)
    text = """
        import logging
        logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
        from parsl_on_dask.importing import alias
        alias.install()
        alias.uninstall()
        alias.install()
        import parsl
        print(parsl.__name__, alias.shadowed())
        """
    write(tmp_path, "program.py", text)
    done = python(tmp_path, "program.py")
    hidden = str(tmp_path / "parsl")
    assert done.stdout.split() == ["parsl_on_dask", hidden]
    notes = [line for line in done.stderr.splitlines() if hidden in line]
    assert len(notes) == 1 and notes[0].startswith("parsl.alias INFO"), done.stderr


def test_an_imported_parsl_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    write(tmp_path, "parsl/__init__.py", "kind = 'real'")
    text = """
        import sys, parsl as real
        from parsl_on_dask.importing import alias
        try:
            alias.install()
        except ImportError as error:
            print(type(error).__name__, error)
        assert sys.modules["parsl"] is real and not alias.installed()
        alias.install(force=True)
        import parsl
        assert parsl.__name__ == "parsl_on_dask"
        alias.uninstall()
        import parsl
        assert parsl is real
        """
    out = says(tmp_path, text)
    assert out.startswith("AliasError") and str(tmp_path / "parsl") in out and "force=True" in out


@pytest.mark.parametrize("name", ["", "par sl", "parsl.config", "parsl_on_dask"])
def test_only_another_top_level_name_can_be_an_alias(name: str) -> None:
    with pytest.raises(ValueError, match="top-level module name"):
        alias.install(name)


def test_a_child_installs_what_its_environment_says(tmp_path: Path) -> None:
    text = """
        import os, subprocess, sys
        from parsl_on_dask.importing import alias
        assert alias.environment() == {} and alias.install_from_environment() == []
        alias.install()
        child = "from parsl_on_dask.importing import alias; print(alias.install_from_environment()); import parsl"
        subprocess.run([sys.executable, "-c", child], env={**os.environ, **alias.environment()}, check=True)
        """
    assert says(tmp_path, text).strip() == "['parsl']"


@pytest.mark.parametrize("value, names", [("1", ["parsl"]), ("0", []), ("", []), ("one, two", ["one", "two"])])
def test_the_variable_holds_names(value: str, names: list[str]) -> None:
    try:
        assert alias.install_from_environment({"PARSL_ON_DASK_ALIAS": value}) == names
        assert alias.installed() == names[::-1]
    finally:
        for name in names:
            alias.uninstall(name)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_spawned_processes_inherit_the_alias(tmp_path: Path, method: str) -> None:
    text = f"""
        import multiprocessing
        import parsl.config

        def child():
            import parsl.executors
            print(parsl.executors.__name__, flush=True)

        if __name__ == "__main__":
            process = multiprocessing.get_context({method!r}).Process(target=child)
            process.start()
            process.join()
            assert process.exitcode == 0
        """
    assert says(tmp_path, text, *FRONT).strip() == "parsl_on_dask.executors"


@pytest.mark.extended
def test_workers_of_a_dask_cluster_that_the_script_makes_inherit_the_alias(tmp_path: Path) -> None:
    text = """
        def where():
            import parsl.config
            return parsl.config.__name__

        if __name__ == "__main__":
            from distributed import Client, LocalCluster

            with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
                with Client(cluster) as client:
                    print(client.submit(where).result(timeout=30))
        """
    assert says(tmp_path, text, *FRONT).strip() == "parsl_on_dask.config"


def test_ipython_extension(tmp_path: Path) -> None:
    pytest.importorskip("IPython")
    text = """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        shell.run_line_magic("load_ext", "parsl_on_dask")
        shell.run_cell("import parsl\\nprint(parsl.__name__)", store_history=False)
        shell.run_line_magic("unload_ext", "parsl_on_dask")
        import sys
        print("parsl" in sys.modules)
        """
    done = says(tmp_path, text).split()
    assert done == ["parsl_on_dask", "False"]
