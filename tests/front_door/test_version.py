"""Programs that ask for Parsl's version are told which Parsl this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest
from packaging.version import Version

import parsl_on_dask as parsl
from ci.coverage.compare import statements
from parsl_on_dask import version
from parsl_on_dask.old_spellings import dialect
from parsl_on_dask.utils import get_version
from tests.front_door.programs import FRONT, python, says, write

#: What a script was written for, and what that release called itself.
RELEASES = [
    ("newest", "2026.10.26"),
    ("2024.3.4", "2024.03.04"),
    ("2024.03.04", "2024.03.04"),
    ("2024.12.30", "2024.12.30"),
    ("1.1.0", "1.1.0"),
]


def test_the_version_is_that_of_the_parsl_whose_api_this_is() -> None:
    assert parsl.__version__ == version.VERSION == get_version() == version.PARSL_VERSION == statements().parsl
    assert "__version__" in dir(parsl) and "VERSION" in dir(version)


def test_the_package_has_a_version_of_its_own() -> None:
    try:
        assert installed_version("parsl-on-dask") == version.PACKAGE_VERSION
    except PackageNotFoundError:  # the source tree is used without having been installed
        pass


@pytest.mark.parametrize(("release", "named"), RELEASES)
def test_the_version_follows_the_dialect(release: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(dialect.VARIABLE, release)
    assert parsl.__version__ == version.VERSION == get_version() == named


@pytest.mark.parametrize(("release", "named"), RELEASES)
def test_all_ways_to_compare_agree(release: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(dialect.VARIABLE, release)
    text = parsl.__version__
    assert tuple(map(int, text.split("."))) == tuple(map(int, named.split(".")))
    assert text >= "0.9.0" and Version(text) >= Version("0.9")
    if named > "2000":
        assert (
            text > "2023.12.25" and Version(text) > Version("2023.12.25") and tuple(map(int, text.split("."))) > (2023,)
        )


def test_pytest_finds_it_new_enough(tmp_path: Path) -> None:
    text = """
        import pytest
        pytest.importorskip("parsl", minversion="2024.3.4")
        import parsl
        from parsl.version import VERSION
        print(parsl.__version__ == VERSION, parsl.version.VERSION)
        """
    assert says(tmp_path, text, *FRONT).split() == ["True", version.PARSL_VERSION]


def test_the_log_says_both(tmp_path: Path) -> None:
    text = """
        import parsl
        with parsl.load(parsl.Config(run_dir="runs")):
            print(parsl.dfk().run_dir)
        """
    write(tmp_path, "script.py", text)
    done = python(tmp_path, *FRONT, "--dialect", "2024.3.4", "script.py")
    assert done.returncode == 0, done.stderr
    log = (tmp_path / done.stdout.strip() / "parsl.log").read_text()
    assert f"Parsl version: 2024.03.04 (parsl_on_dask {version.PACKAGE_VERSION})" in log
    assert "'parsl_version': '2024.03.04'" in log


def test_another_name_of_the_module_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'NOTHING'"):
        version.NOTHING  # noqa: B018
