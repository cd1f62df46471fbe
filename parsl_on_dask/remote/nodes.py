"""The nodes of the batch job that a process is in."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from typing import Any

#: Variables that name a file with a node in the first word of each line, and the system that sets each.
FILES = (
    ("PBS_NODEFILE", "PBS"),
    ("COBALT_NODEFILE", "Cobalt"),
    ("PE_HOSTFILE", "GridEngine"),
    ("LSB_DJOB_HOSTFILE", "LSF"),
    ("OAR_NODEFILE", "OAR"),
)
#: Those that hold Slurm's short form of the list.
LISTS = ("SLURM_JOB_NODELIST", "SLURM_NODELIST")


def batch_system() -> str:
    """Name of the batch system that this process is in a job of; "" when none says so."""
    if any(os.environ.get(name) for name in LISTS):
        return "Slurm"
    return next((system for name, system in FILES if os.environ.get(name)), "")


def nodes_of(system: str) -> list[str]:
    """The nodes of this process's job, each once.

    `system`: as :func:`batch_system` gives it.

    Raises OSError when the list cannot be read.
    """
    if system == "Slurm":
        return slurm_nodes(next((os.environ[name] for name in LISTS if os.environ.get(name)), ""))
    variable = next(name for name, owner in FILES if owner == system)
    with open(os.environ.get(variable, "")) as file:
        # one line for each slot, in most systems
        return list(dict.fromkeys(line.split()[0] for line in file if line.strip()))


def slurm_nodes(short: str) -> list[str]:
    """The nodes that Slurm's short form of a list stands for, by ``scontrol`` if it is there."""
    try:
        text = subprocess.check_output(["scontrol", "show", "hostnames", short], stderr=subprocess.STDOUT, timeout=60)
        return text.decode().split()
    except (OSError, subprocess.SubprocessError):
        return expand(short)


def expand(short: str) -> list[str]:
    """Write out a list of hosts in Slurm's short form.

    Examples
    --------
    >>> expand("login,n[08-10,12]")
    ['login', 'n08', 'n09', 'n10', 'n12']
    >>> expand("r[1-2]n[0-1]")
    ['r1n0', 'r1n1', 'r2n0', 'r2n1']
    """
    found: list[str] = []
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", short):
        names = [""]
        for text, ranges in re.findall(r"([^\[]*)(?:\[([^\]]*)\])?", part):
            numbers = [number for each in ranges.split(",") for number in _range(each)] if ranges else [""]
            names = [name + text + number for name in names for number in numbers]
        found += names
    return found


def _range(text: str) -> list[str]:
    first, dash, last = text.partition("-")
    if not (dash and first.isdigit() and last.isdigit()):
        return [text]
    return [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]


def look() -> dict[str, Any]:
    """What there is to know about this process's block before MPI programs are started there.

    Returns a dict with ``system`` (the batch system, or ""), ``nodes``, ``error`` (why there is no list of nodes, or
    ""), and ``open_mpi`` (whether the ``mpiexec`` that is found is Open MPI's).
    """
    system, error = batch_system(), ""
    nodes = []
    if system:
        try:
            nodes = nodes_of(system)
        except (OSError, ValueError) as e:
            error = f"{type(e).__name__}: {e}"
    else:
        nodes = [socket.gethostname()]
    return {"system": system, "nodes": nodes, "error": error, "open_mpi": is_open_mpi(mpiexec_version())}


def mpiexec_version() -> str:
    """What the ``mpiexec`` that is found says of itself; "" when there is none."""
    try:
        done = subprocess.run(["mpiexec", "--version"], capture_output=True, text=True, timeout=20)
        return done.stdout + done.stderr
    except (OSError, subprocess.SubprocessError):
        return ""


def is_open_mpi(version: str) -> bool:
    """Whether it is Open MPI's."""
    return re.search("open.?(mpi|rte)|prrte", version, re.IGNORECASE) is not None
