"""What ``python -m build`` makes holds what it should, and reads well on a package index."""

from __future__ import annotations

import email
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from ci.metadata import absolute
from parsl_on_dask.version import PACKAGE_VERSION

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    # the backend itself: an environment of its own to build in is the affair of python -m build
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=REPOSITORY, check=True)
    return folder


@pytest.fixture(scope="module")
def sdist(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(built / f"parsl_on_dask-{PACKAGE_VERSION}.tar.gz") as packed:
        packed.extractall(folder)
    return folder / f"parsl_on_dask-{PACKAGE_VERSION}"


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(built / f"parsl_on_dask-{PACKAGE_VERSION}-py3-none-any.whl") as packed:
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.fixture(scope="module")
def metadata(wheel: dict[str, bytes]) -> Message:
    return email.message_from_bytes(wheel[f"parsl_on_dask-{PACKAGE_VERSION}.dist-info/METADATA"])


def in_repository(*under: str) -> set[str]:
    """Files that are, or will be, under version control."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("this is no clone, but an sdist")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *under]
    names = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name for name in names if (REPOSITORY / name).is_file()}


def test_the_wheel_has_the_package_and_no_more(wheel: dict[str, bytes]) -> None:
    assert {name for name in wheel if ".dist-info/" not in name} == in_repository("parsl_on_dask")
    assert f"parsl_on_dask-{PACKAGE_VERSION}.dist-info/licenses/LICENSE" in wheel


def test_the_sdist_has_the_repository(sdist: Path) -> None:
    packed = {str(path.relative_to(sdist)) for path in sdist.rglob("*") if path.is_file()}
    assert packed - {"PKG-INFO"} == in_repository()


def test_the_tests_of_the_sdist_run(sdist: Path) -> None:
    tests = ("tests/app/test_decorators.py", "tests/release/test_files.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=sdist, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_builds_from_the_sdist(sdist: Path, wheel: dict[str, bytes], tmp_path: Path) -> None:
    again = shutil.copytree(sdist, tmp_path / "sdist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=again, check=True)
    [path] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == wheel


def test_links_of_the_readme_work_on_a_package_index(metadata: Message) -> None:
    text = str(metadata.get_payload())
    links = re.findall(r"\]\(([^()]*)\)", text)
    assert links and all(link.startswith("https://") for link in links)
    repository = dict(entry.split(", ", 1) for entry in metadata.get_all("Project-URL", []))["Source"]
    here = [link.removeprefix(f"{repository}/") for link in links if link.startswith(repository)]
    assert len(here) > 20
    for link in here:
        kind, tag, path = link.split("/", 2)
        assert tag == f"v{PACKAGE_VERSION}"
        assert (REPOSITORY / path.partition("#")[0]).exists(), link
        assert kind == ("raw" if path.endswith((".png", ".svg")) else "blob")


def test_a_picture_that_is_a_link_has_two_addresses() -> None:
    assert absolute("[![a](b.png)](c.md#d) and [e](https://f.org)", "https://g.org/h", "1.2") == (
        "[![a](https://g.org/h/raw/v1.2/b.png)](https://g.org/h/blob/v1.2/c.md#d) and [e](https://f.org)"
    )


def test_classifiers_are_those_of_the_index(metadata: Message) -> None:
    known = pytest.importorskip("trove_classifiers").classifiers
    assert [c for c in metadata.get_all("Classifier", []) if c not in known] == []


def test_the_command_is_there(wheel: dict[str, bytes]) -> None:
    entry = wheel[f"parsl_on_dask-{PACKAGE_VERSION}.dist-info/entry_points.txt"].decode()
    assert "parsl-on-dask = parsl_on_dask.__main__:main" in entry
