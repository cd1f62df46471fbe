"""What is imported is declared."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import parsl_on_dask

PACKAGE = Path(parsl_on_dask.__file__).parent
#: Packages whose modules have another name.
MODULE = {"dask-jobqueue": "dask_jobqueue", "globus-sdk": "globus_sdk", "ipython": "IPython", "pyyaml": "yaml"}
#: What is used where somebody else has it: values of users, notebooks, a name for ``ps``, certificates of a machine.
WHERE_IT_IS = {"pandas", "IPython", "setproctitle", "certifi"}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)


def imported() -> set[str]:
    found = {name.partition(".")[0] for path in PACKAGE.rglob("*.py") for name in imports(ast.parse(path.read_text()))}
    return found - set(sys.stdlib_module_names) - {"parsl_on_dask"}


def modules(requirements: Iterable[str]) -> set[str]:
    names = (re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in requirements)
    return {MODULE.get(name, name) for name in names} - {"parsl-on-dask"}


def declared() -> tuple[set[str], set[str]]:
    """Modules that are always there, and those of the extras for users."""
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = (line for name in extras if name not in ("test", "docs", "bench") for line in extras[name])
    return modules(project["dependencies"]), modules(wanted)


def test_each_import_has_its_package() -> None:
    always, extras = declared()
    assert imported() - always - extras == WHERE_IT_IS


def test_each_package_is_imported() -> None:
    # cryptography makes the certificates of Dask's temporary Security
    assert declared()[0] - imported() == {"cryptography"}
