"""What a resident says about itself in the directory of its run, and who may take that up."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from parsl_on_dask.common import run_records
from parsl_on_dask.common.processes_here import alive
from parsl_on_dask.remote.sidefiles import write_private
from parsl_on_dask.remote.trust import distrust

#: Name of the file in the run's directory. It holds the key by which a script may come back.
FILE = "resident.json"
#: What it must say. The versions of those who write and read it may differ.
PARTS = {"script", "socket", "token", "host", "boot", "process", "name", "versions"}
#: Packages that a script and its resident need in the same version.
PACKAGES = ("parsl_on_dask", "distributed", "dask", "cloudpickle")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that both sides need alike."""
    found = {"python": "{}.{}".format(*sys.version_info)}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def script(load: int) -> list[str]:
    """What names the script that runs, and which of its Configs it loads, the first one being 0.

    A script is named by its file and its arguments, and a notebook by its path, or else its folder. Cells run in any
    order, so that all Configs of a notebook are one.
    """
    notebook = os.environ.get("JPY_SESSION_NAME")
    if notebook or "ipykernel" in sys.modules:
        return ["notebook", notebook or os.getcwd()]
    name = sys.argv[0] if sys.argv else ""
    path = os.path.realpath(name) if os.path.exists(name) else f"{os.getcwd()}:{name}"
    return [path, *sys.argv[1:], *[f"(load {load + 1})"] * bool(load)]


def description(executor: Any) -> str:
    """An executor in words, the same in each life of its script."""
    return re.sub(r"<Client: [^>]*>", "<Client>", re.sub(r" at 0x[0-9a-f]+", "", repr(executor)))


def differences(before: str, now: str) -> tuple[str, str]:
    """What two descriptions have that the other one has not.

    Examples
    --------
    >>> differences("Pool(\\n    cores=1,\\n    label='a',\\n)", "Pool(\\n    cores=2,\\n    label='a',\\n)")
    ('cores=1', 'cores=2')
    """
    there, here = ([line.strip().rstrip(",") for line in text.splitlines()] for text in (before, now))
    lost, new = ([line for line in one if line not in other] for one, other in ((there, here), (here, there)))
    return ", ".join(lost) or before, ", ".join(new) or now


def lives(path: str, record: dict[str, Any]) -> bool:
    """Whether a resident is there; one of another machine by its signs of life."""
    if [record["host"], record["boot"]] == list(run_records.machine()):
        return alive(record["process"])
    silent = run_records.age_of(path)
    return silent is not None and silent < run_records.LOST


def write(run_dir: str, record: dict[str, Any]) -> None:
    """Write a resident's record, for its owner's eyes only."""
    write_private(os.path.join(run_dir, FILE), json.dumps(record))


def read(run_dir: str) -> dict[str, Any] | None:
    """The record in a run's directory; None without one that is whole, or if somebody else may have written it."""
    path = os.path.join(run_dir, FILE)
    try:
        if distrust(path):
            return None
        with open(path) as file:
            record = json.load(file)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.keys() >= PARTS else None


def remove(run_dir: str) -> None:
    """Take a record away."""
    try:
        os.unlink(os.path.join(run_dir, FILE))
    except OSError:
        pass


def find(runs: str, name: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """Directories and records of the residents of a script's runs that are there, the newest run first."""
    try:
        numbers = sorted((e for e in os.listdir(runs) if e.isdigit()), key=int, reverse=True)
    except OSError:
        return []
    found = []
    for number in numbers:
        path = os.path.join(runs, number)
        record = read(path)
        if record is not None and record["script"] == list(name) and lives(os.path.join(path, FILE), record):
            found.append((path, record))
    return found
