"""Environments for programs: one with this package, one with a real Parsl."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
#: What each environment gets for running tests and notebooks.
TOOLS = ("pytest>=7.4", "pytest-timeout", "nbclient", "ipykernel")
#: Makes ``import parsl`` mean this package in every Python process of an environment.
ALIAS = "import parsl_on_dask; parsl_on_dask.install()\n"


class PreparationError(RuntimeError):
    """An environment cannot be made."""


def wheel(folder: Path) -> Path:
    """Build this package into a folder, and return the wheel."""
    _pip(sys.executable, ["wheel", "--no-deps", "--wheel-dir", str(folder), str(REPOSITORY)])
    (built,) = folder.glob("parsl_on_dask-*.whl")
    return built


def make(
    folder: Path, needs: Sequence[str], parsl: str, package: Path | None, extra: dict[str, str] | None = None
) -> str:
    """Make an environment, or bring up to date the one that is there, and return its Python.

    Parameters
    ----------
    folder
        Where it is.
    needs
        What pip installs.
    parsl
        Release of Parsl.
    package
        Wheel of this package, which then takes Parsl's place: of Parsl only the metadata stays, none of its code.
        With None, the real Parsl stays.
    extra
        Environment variables of the installation.
    """
    python = folder / "bin" / "python"
    stamp = folder / "made-of.json"
    made_of = {"needs": list(needs), "parsl": parsl, "python": sys.version}
    if not stamp.is_file() or json.loads(stamp.read_text()) != made_of:
        shutil.rmtree(folder, ignore_errors=True)
        _venv(folder)
        _pip(str(python), ["install", *TOOLS, *needs], extra)
        # Whatever release the program asks for: it is tried with this one.
        _pip(str(python), ["install", f"parsl=={parsl}"], extra, conflicts=True)
        stamp.write_text(json.dumps(made_of))
    if package is not None:
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        installed = folder / "package.txt"
        if not installed.is_file() or installed.read_text() != digest:
            _pip(str(python), ["install", str(package) + "[monitoring]"], extra)
            _pip(str(python), ["install", "--force-reinstall", "--no-deps", str(package)], extra)
            _take_parsls_place(folder)
            installed.write_text(digest)
    return str(python)


def _venv(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        # Some systems' python3 comes without ensurepip.
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory() as scratch:
            _pip(sys.executable, ["install", "--target", scratch, "virtualenv"])
            environment = {**os.environ, "PYTHONPATH": scratch}
            subprocess.run([sys.executable, "-m", "virtualenv", "--quiet", str(folder)], env=environment, check=True)


def _take_parsls_place(folder: Path) -> None:
    (library,) = (folder / "lib").glob("python3*")
    site = library / "site-packages"
    shutil.rmtree(site / "parsl", ignore_errors=True)
    (site / "parsl_is_parsl_on_dask.pth").write_text(ALIAS)
    for program in ("process_worker_pool.py", "interchange.py", "exec_parsl_function.py"):
        (folder / "bin" / program).unlink(missing_ok=True)


def _pip(python: str, words: list[str], extra: dict[str, str] | None = None, conflicts: bool = False) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **(extra or {})}
    for name in ("PYTHONPATH", "PYTHONHOME"):
        environment.pop(name, None)
    command = [
        python,
        "-m",
        "pip",
        *words[:1],
        "--quiet",
        *(["--no-compile"] if words[0] == "install" else []),
        *words[1:],
    ]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise PreparationError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
