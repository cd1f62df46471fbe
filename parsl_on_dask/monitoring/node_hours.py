"""Node-hours in reports: those of a run's directory, corrected by the batch system's books where it keeps some."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from parsl_on_dask.jobs.accounting import by_the_books
from parsl_on_dask.jobs.node_hours import NodeHours, read

__all__ = ["of_run", "run_directory", "text"]


def run_directory(folder: str | None, run: str | None = None, has: Callable[[str], Any] = read) -> str | None:
    """The run that is meant, if its directory ``has`` what is wanted, such as node-hours; None otherwise.

    - `folder`: a run's own directory, or the one that the runs are in, of which the latest is meant. Default:
      ``runinfo``.
    - `run`: the name of the run's directory in the latter.
    """
    top = os.path.abspath(os.path.expanduser(folder or "runinfo"))
    if run is not None:
        inside = os.path.join(top, run)
        return inside if has(inside) else None
    if has(top):
        return top
    try:
        names = [name for name in os.listdir(top) if name.isdecimal()]
    except OSError:
        return None
    latest = next((os.path.join(top, name) for name in sorted(names, key=int, reverse=True)), None)
    return latest if latest is not None and has(latest) else None


def of_run(folder: str) -> list[NodeHours]:
    """Node-hours of each executor of a run; times are those of the batch system's books, where there are some."""
    return [by_the_books(hours) for hours in read(folder)]


def text(folder: str, found: Sequence[NodeHours]) -> str:
    """What a report prints."""
    lines = [f"Node-hours of {folder}"]
    for hours in found:
        lines += ["", str(hours)]
    known = "sacct" if any(hours.source == "sacct" for hours in found) else "what the run saw once a second"
    return "\n".join([*lines, "", f"Times are by {known}."])
