"""Where a program's files come from: PyPI, a git repository, or a folder that is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from ci.programs.listing import Program


class SourceError(RuntimeError):
    """The files of a program cannot be had."""


def get(program: Program, folder: Path, given: Path | None = None) -> Path:
    """Bring a program's files into a folder, unless they are there.

    Parameters
    ----------
    program
        The program.
    folder
        Folder for the sources of all programs.
    given
        A git directory, or a folder with the files, to take in place of the internet.

    Returns
    -------
    Path
        The folder with the program's files.

    Raises
    ------
    SourceError
        They cannot be had.
    """
    target = folder / f"{program.name}-{program.pypi.partition('==')[2] or program.commit[:12]}"
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        if given is not None and not (given / "HEAD").is_file():
            found = Path(
                shutil.copytree(given, Path(scratch, "copy"), symlinks=True, ignore=shutil.ignore_patterns(".git"))
            )
        elif program.pypi and given is None:
            found = _distribution(program.pypi, Path(scratch))
        else:
            found = _commit(program, Path(scratch), str(given or program.repository))
        found.rename(target)
    return target


def _distribution(requirement: str, scratch: Path) -> Path:
    name = requirement.partition("==")[0]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name]
    _do([*pip, "--dest", str(scratch), requirement])
    (archive,) = scratch.iterdir()
    unpacked = scratch / "unpacked"
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(unpacked)
    else:
        with tarfile.open(archive) as packed:
            # which the first releases of a Python do not have
            packed.extractall(unpacked, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (only,) = unpacked.iterdir()
    return only


def _commit(program: Program, scratch: Path, repository: str) -> Path:
    tree, git = scratch / "tree", ["git", "-C", str(scratch / "tree")]
    commit = program.commit or "HEAD"
    _do(["git", "init", "--quiet", str(tree)])
    _do([*git, "fetch", "--quiet", "--depth", "1", repository, commit])
    _do([*git, "-c", "advice.detachedHead=false", "checkout", "--quiet", "FETCH_HEAD"])
    return tree


def _do(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SourceError(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
