"""Failed calls that are kept in a run's directory, to be run again."""

from __future__ import annotations

import json
import os
import pickle
from typing import Any

#: Subdirectory of a run's directory.
FOLDER = "failed_calls"
#: File with the executors in it.
EXECUTORS = "executors"


def command(run_dir: str, task: int) -> str:
    """The command that runs a call again.

    Examples
    --------
    >>> command("runinfo/003", 17)
    'python -m parsl_on_dask replay runinfo/003 17'
    """
    return f"python -m parsl_on_dask replay {os.path.relpath(run_dir)} {task}"


def is_kept(run_dir: str, task: int) -> bool:
    """Whether a call can be run again."""
    return os.path.exists(os.path.join(run_dir, FOLDER, f"{task}.call"))


def read(folder: str, task: int) -> tuple[dict[str, Any], bytes]:
    """The header of a kept call, and the pickled function with its arguments."""
    with open(os.path.join(folder, f"{task}.call"), "rb") as file:
        return json.loads(file.readline()), file.read()


def read_executors(folder: str) -> dict[str, bytes]:
    """The pickled executors of a run, by label."""
    with open(os.path.join(folder, EXECUTORS), "rb") as file:
        found: dict[str, bytes] = pickle.load(file)
    return found
