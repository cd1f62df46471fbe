"""Make an environment with Parsl in it: ``python -m benchmarks.setup_parsl DIR [--requirement parsl==VERSION ...]``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path


def python_of(directory: Path) -> Path:
    """The Python of the environment in `directory`."""
    return directory / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def setup(directory: Path, requirements: list[str]) -> Path:
    """Make the environment, or use the one that is there, and install `requirements` with pip."""
    python = python_of(directory).absolute()
    if not python.exists():
        venv.create(directory, with_pip=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *requirements], check=True)
    return python


def main() -> None:
    """Read the command line, make the environment, print its Python."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.setup_parsl", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument(
        "--requirement", nargs="+", default=["parsl[monitoring]"], help="what pip is to install (default: %(default)s)"
    )
    arguments = parser.parse_args()
    # NumPy is the payload of the large-value workloads; without it bytes are used on all systems.
    python = setup(arguments.directory, [*arguments.requirement, "numpy"])
    print(python)


if __name__ == "__main__":
    main()
