"""The job of a batch system that the script itself runs in: its nodes, which block has which of them, and its end."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from parsl_on_dask.providers.walltimes import seconds
from parsl_on_dask.remote.nodes import batch_system, nodes_of

#: What ``hosts`` of an executor says to mean the nodes of the job that the script is in.
ALLOCATION = "allocation"
#: Seconds that a command of the batch system may take.
PATIENCE = 30.0
#: Variables with the job's id.
_IDS = {
    "Slurm": "SLURM_JOB_ID",
    "PBS": "PBS_JOBID",
    "LSF": "LSB_JOBID",
    "GridEngine": "JOB_ID",
    "OAR": "OAR_JOB_ID",
    "Flux": "FLUX_JOB_ID",
    "Cobalt": "COBALT_JOBID",
}


class Allocation(NamedTuple):
    """A job that a script runs in.

    - `system`: ``"Slurm"``, ``"PBS"``, ``"LSF"``, ``"Flux"``, ``"GridEngine"``, ``"OAR"`` or ``"Cobalt"``.
    - `job`: its id; ``""`` if it has none.
    - `nodes`: each once.
    """

    system: str
    job: str
    nodes: list[str]

    def __str__(self) -> str:
        name = f"{self.system} job {self.job}" if self.job else f"a {self.system} instance"
        return f"{name}, {len(self.nodes)} node{'s' * (len(self.nodes) != 1)}"


def system_here() -> str:
    """Name of the batch system in whose job this process is; ``""`` when none says so."""
    # a Flux instance may be inside of another system's job, and is the nearer one
    return "Flux" if os.environ.get("FLUX_URI") else batch_system()


def allocation_here() -> Allocation | None:
    """The job that this process is in; None when it is in none.

    Raises OSError when its nodes cannot be found out.
    """
    system = system_here()
    if not system:
        return None
    nodes = _said(["flux", "hostlist", "-l", "-e"]).split() if system == "Flux" else nodes_of(system)
    return Allocation(system, os.environ.get(_IDS[system], ""), list(dict.fromkeys(nodes)))


def end_of(found: Allocation) -> float | None:
    """When a job ends, in seconds since 1970, as its batch system says now; None where it does not."""
    asked = _QUESTIONS.get(found.system)
    if asked is None:
        return None
    words, read = asked
    try:
        left = read(_said([word.format(job=found.job) for word in words]))
    except (OSError, ValueError):
        left = None
    if left is not None:
        return time.time() + left
    known = os.environ.get("SLURM_JOB_END_TIME", "") if found.system == "Slurm" else ""
    return float(known) if known.isdigit() else None


def _said(words: Sequence[str]) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    except subprocess.SubprocessError as error:
        detail = (getattr(error, "stderr", None) or "").strip()
        raise OSError(f"{' '.join(words)}: {error}{': ' if detail else ''}{detail}") from error


def clock_seconds(text: str) -> float | None:
    """Seconds of a time as batch systems write it; None for one without an end.

    Examples
    --------
    >>> clock_seconds("9:58"), clock_seconds("1-02:00:00"), clock_seconds("UNLIMITED")
    (598.0, 93600.0, None)
    """
    found = seconds(text, single=1)
    return None if found is None else float(found)


def _qstat_left(text: str) -> float | None:
    """Seconds left by what ``qstat -f`` says."""
    facts = dict(re.findall(r"^\s*([\w.]+) = (.*)$", text, re.MULTILINE))
    if "Walltime.Remaining" in facts:  # Torque
        return float(facts["Walltime.Remaining"])
    whole = clock_seconds(facts.get("Resource_List.walltime", ""))
    if whole is None:
        return None
    began = facts.get("stime") or facts.get("start_time")
    if began is not None:
        return time.mktime(time.strptime(began.strip(), "%a %b %d %H:%M:%S %Y")) + whole - time.time()
    return whole - (clock_seconds(facts.get("resources_used.walltime", "")) or 0.0)


def _bjobs_left(text: str) -> float | None:
    """Seconds left by the ``time_left`` of ``bjobs``: hours and minutes."""
    found = re.match(r"\s*(\d+):(\d+)", text)
    return None if found is None else int(found[1]) * 3600.0 + int(found[2]) * 60.0


def _flux_left(text: str) -> float | None:
    seconds = float(text)
    return None if seconds == float("inf") else seconds


#: How each system is asked for the time that a job has left, and how its answer is read.
_QUESTIONS: dict[str, tuple[list[str], Callable[[str], float | None]]] = {
    "Slurm": (["squeue", "--noheader", "--jobs={job}", "--format=%L"], clock_seconds),
    "PBS": (["qstat", "-f", "{job}"], _qstat_left),
    "LSF": (["bjobs", "-noheader", "-o", "time_left", "{job}"], _bjobs_left),
    "Flux": (["flux", "job", "timeleft"], _flux_left),
}


class Shares:
    """Which nodes of the allocation the blocks of this process have.

    Examples
    --------
    >>> shares = Shares()
    >>> shares.take(["a", "b", "c"], 2), shares.take(["a", "b", "c"], 2)
    (['a', 'b'], ['a', 'c'])
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.blocks: Counter[str] = Counter()

    def take(self, nodes: Sequence[str], count: int) -> list[str]:
        """So many of the nodes, those with the fewest blocks."""
        with self.lock:
            fewest = set(sorted(nodes, key=lambda node: self.blocks[node])[:count])
            chosen = [node for node in nodes if node in fewest]
            self.blocks.update(chosen)
            return chosen

    def give_back(self, nodes: Sequence[str]) -> None:
        """A block on these nodes has ended."""
        with self.lock:
            self.blocks.subtract(nodes)


SHARES = Shares()
