"""Run a Python with the package's source tree importable, from a folder of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import parsl_on_dask
from tests import interpreters

SOURCE = str(Path(parsl_on_dask.__file__).parents[1])
FRONT = ("-m", "parsl_on_dask")


def python(folder: Path, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `python args...` in the folder and wait for its end."""
    return _run(subprocess.run, folder, args, **options)


def forked(folder: Path, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The same where the test is not about what Python does when it starts, or about imports."""
    return _run(interpreters.run, folder, args, **options)


def _run(
    run: Any, folder: Path, args: tuple[str, ...], stdin: str = "", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")]))
    done: subprocess.CompletedProcess[str] = run(
        [sys.executable, *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "120", "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done


def says(folder: Path, text: str, *before: str) -> str:
    """Run the text as a script, which has to succeed, and return what it prints."""
    write(folder, "program.py", text)
    done = python(folder, *before, "program.py")
    assert done.returncode == 0, done.stderr
    return done.stdout


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path
