"""`import parsl_on_dask` is light, and offers what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

import parsl_on_dask
from tests.front_door.programs import says

HEAVY = ("distributed", "dask", "dask_jobqueue", "numpy", "pandas", "tornado", "cryptography", "IPython", "parsl")


def test_importing_the_package_imports_no_engine(tmp_path: Path) -> None:
    out = says(tmp_path, f"import parsl_on_dask, sys; print([m for m in {HEAVY!r} if m in sys.modules])")
    assert out.strip() == "[]"


def test_describing_a_config_imports_no_engine(tmp_path: Path) -> None:
    text = f"""
        import sys
        from parsl_on_dask import python_app
        from parsl_on_dask.config import Config
        from parsl_on_dask.executors import HighThroughputExecutor, ThreadPoolExecutor
        from parsl_on_dask.providers import LocalProvider

        @python_app
        def double(x):
            return 2 * x

        Config(executors=[ThreadPoolExecutor(), HighThroughputExecutor(provider=LocalProvider())])
        print([m for m in {HEAVY!r} if m in sys.modules])
        """
    assert says(tmp_path, text).strip() == "[]"


@pytest.mark.parametrize("name", parsl_on_dask.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert getattr(parsl_on_dask, name) is not None


def test_star_import_gives_exactly_the_exported_names(tmp_path: Path) -> None:
    text = """
        from parsl_on_dask import *
        names = set(globals())
        import parsl_on_dask
        print(set(parsl_on_dask.__all__) - names, "python_app" in names, "Config" in names)
        """
    assert says(tmp_path, text).strip() == "set() True True"


def test_exported_names_are_unique() -> None:
    assert len(set(parsl_on_dask.__all__)) == len(parsl_on_dask.__all__)


def test_the_package_declares_its_types() -> None:
    assert (Path(parsl_on_dask.__file__).parent / "py.typed").exists()
