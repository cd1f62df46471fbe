"""What stands in a job script before the site's and the user's lines: what the first command of a block needs."""

from __future__ import annotations

import os
import shlex

from parsl_on_dask.providers.pythons import note

#: Seconds for which a node looks for files that the script has written. NFS may hide new ones for a minute.
LATE = 60
#: Names of the files that a node's first command runs.
SHELL_FILE, PYTHON_FILE = "start.sh", "start.py"


def _run_by(command: str) -> str:
    """The :func:`first_file` that a command runs; ``""`` for any other command."""
    try:
        *_, file, _ = shlex.split(command)  # the last word is its argument
    except ValueError:
        return ""
    return file if os.path.isabs(file) and os.path.basename(file) in (SHELL_FILE, PYTHON_FILE) else ""


def noting(command: str) -> list[str]:
    """Shell lines for a job that runs a command, before anything that may activate an environment."""
    return [note()] if os.path.basename(_run_by(command)) == SHELL_FILE else []


def patience(command: str) -> list[str]:
    """Shell lines for a job that runs a command: they wait until its first file is there."""
    path = _run_by(command)
    if not path:
        return []
    place, folder = shlex.quote(path), shlex.quote(os.path.dirname(path))
    return [
        f"for _ in $(seq {LATE}); do if [ -e {place} ]; then break; fi; ls {folder} >/dev/null 2>&1 || true; "
        "sleep 1; done"
    ]
