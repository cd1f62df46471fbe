"""Parsl's tests: where an installed distribution has them, and the copy of them that is run."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONFIGS", "Suite", "SuiteError", "copy", "find"]

# The runs of Parsl's own Makefile, with what each leaves out.
CONFIGS = {
    "threads": ("parsl/tests/configs/local_threads.py", "not cleannet"),
    "htex": ("parsl/tests/configs/htex_local.py", "not cleannet"),
    "workqueue": ("parsl/tests/configs/workqueue_ex.py", "not cleannet"),
    "taskvine": ("parsl/tests/configs/taskvine_ex.py", "not cleannet"),
    "local": ("local", "not cleannet and not workqueue and not taskvine and not globus_compute"),
}

# Data files that Parsl's tests read and its distribution leaves out.
LEFT_OUT = {
    "test_htex/mpi/mocks/pbs_nodefile": [f"node{n}" for n in range(1, 5)],
    "test_htex/mpi/mocks/pbs_nodefile.8": [f"NODE{n:03}" for n in range(1, 9)],
}

_WHERE = """
import importlib.metadata as m, os
d = m.distribution("parsl")
print(d.version)
print(os.path.realpath(str(d.locate_file("parsl/tests"))))
"""


class SuiteError(Exception):
    """There are no tests of Parsl where they were looked for."""


@dataclass(frozen=True)
class Suite:
    """A copy of Parsl's tests."""

    root: Path
    version: str

    @property
    def tests(self) -> Path:
        """The folder that is the package ``parsl.tests``."""
        return self.root / "parsl" / "tests"

    def files(self) -> list[str]:
        """Return the test files, as the first part of their node ids."""
        found = sorted(path.relative_to(self.root).as_posix() for path in self.tests.rglob("test_*.py"))
        # Parsl's own runs never collect these.
        return [name for name in found if "/integration/" not in name and "/manual_tests/" not in name]


def find(source: str) -> tuple[Path, str]:
    """Return the folder of Parsl's tests and the version they are of.

    Parameters
    ----------
    source
        The Python of an environment in which Parsl is installed, or a folder: one into which it was
        installed (``pip install --target``), or one that holds the tests themselves.

    Raises
    ------
    SuiteError
        Neither has them.
    """
    folder = Path(source)
    if folder.is_dir():
        for tests in (folder / "parsl" / "tests", folder):
            if (tests / "conftest.py").is_file():
                versions = [path.name.split("-")[1] for path in folder.glob("parsl-*.dist-info")]
                return tests.resolve(), versions[0].removesuffix(".dist") if versions else "of unknown version"
    else:
        asked = subprocess.run([source, "-I", "-c", _WHERE], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            version, place = asked.stdout.splitlines()
            if Path(place, "conftest.py").is_file():
                return Path(place), version
    raise SuiteError(
        f"no tests of Parsl in {source}: name a folder that holds them, or the Python of an environment that has parsl"
    )


def copy(source: str, root: Path) -> Suite:
    """Copy Parsl's tests below ``root``, so that they are the package ``parsl.tests`` for pytest."""
    tests, version = find(source)
    suite = Suite(root, version)
    shutil.copytree(tests, suite.tests, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "parsl" / "__init__.py").write_text("raise ImportError('parsl has no alias in this process')\n")
    for name, lines in LEFT_OUT.items():
        path = suite.tests / name
        if path.parent.parent.is_dir() and not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in lines))
    _for_newer_pytest(suite.tests / "conftest.py")
    return suite


def _for_newer_pytest(conftest: Path) -> None:
    # pytest 9 has no py.path arguments for hooks any more; this one is written for pytest 7.
    text = conftest.read_text()
    text = text.replace("def pytest_ignore_collect(path):", "def pytest_ignore_collect(collection_path):")
    conftest.write_text(text.replace("path.strpath", "str(collection_path)"))
    os.utime(conftest)
