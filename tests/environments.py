"""Other Python environments, made in a moment: with packages of their own, and without those of the tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path


def make(folder: Path, *packages: str, copies: bool = False) -> Path:
    """Make a virtual environment of this Python with some of the packages that are here, and what these need.

    Their files are links, unless ``copies`` are wanted. There is one package more, ``only_here``, whose ``WHERE`` is
    the environment's folder.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", folder], check=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    for package in _with_needs(packages):
        parts = {file.parts[0]: file for file in package.files or () if file.parts[0] not in ("..", "__pycache__")}
        for name, file in parts.items():
            _put(Path(str(package.locate_file(name if len(file.parts) > 1 else file))), site / name, copies)
    site.joinpath("only_here.py").write_text(f"WHERE = {str(folder)!r}\n")
    return folder


def _put(source: Path, place: Path, copies: bool) -> None:
    if not copies:
        place.symlink_to(source)
    elif source.is_dir():
        shutil.copytree(source, place, ignore=shutil.ignore_patterns("tests"))
    else:
        shutil.copy(source, place)


def _with_needs(packages: tuple[str, ...]) -> list[Distribution]:
    found: dict[str, Distribution] = {}
    todo = list(packages)
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = distribution(name)
            lines = [line for line in found[name].requires or [] if "extra ==" not in line]
            todo += [re.split(r"[^\w.-]", line)[0].lower() for line in lines if _is_here(line)]
    return list(found.values())


def _is_here(requirement: str) -> bool:
    try:
        distribution(re.split(r"[^\w.-]", requirement)[0])
    except PackageNotFoundError:  # it is for another system
        return False
    return True


def looker() -> Callable[[], dict[str, str | None]]:
    """A function that tells what a call finds: its Python, and where packages come from. It is pickled by value."""

    def seen() -> dict[str, str | None]:
        import importlib
        import os
        import sys

        found: dict[str, str | None] = {"python": sys.executable, "before": os.environ.get("PARSL_ON_DASK_BEFORE")}
        for name in ("cloudpickle", "distributed", "numpy", "only_here", "pytest", "parsl_on_dask"):
            try:
                found[name] = importlib.import_module(name).__file__
            except ImportError:
                found[name] = None
        return found

    return seen


def is_in(environment: Path, seen: dict[str, str | None]) -> bool:
    """Whether a call found everything in an environment of :func:`make`, and nothing of this one."""
    site = str(next(environment.glob("lib/python3*/site-packages")))
    theirs = [seen[name] or "" for name in ("cloudpickle", "distributed", "numpy", "only_here")]
    archive = seen["parsl_on_dask"] or ""
    return (
        str(seen["python"]).startswith(f"{environment}/bin/python")
        and all(path.startswith(site) for path in theirs)
        and archive.endswith("/parsl_on_dask.zip/parsl_on_dask/__init__.py")
        and (seen["pytest"], seen["before"]) == (None, None)
    )
