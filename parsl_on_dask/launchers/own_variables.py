"""Keeps environment variables that a block's script sets for its launcher alone away from apps.

A launcher's program reads variables that nobody asked for: how many CPUs a task of ``srun`` has, which nodes there
are. An app that starts such a program itself would be steered by them. So the script notes beside each of them what was
there before, and the processes on the nodes put that back.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

#: Begins the name of the variable that notes what another one was.
WAS = "PARSL_ON_DASK_WAS_"
#: Variables that tell a process which rank of an MPI program it is; one that inherits them takes itself for that rank.
RANKS = re.compile(
    # MPICH, Intel MPI and Cray; a wait time of Cray's is the user's
    r"PMI_(?!MMAP_)\w+|(PMI2|PMIX|PALS|HYDI)_\w+|MPI_LOCALRANKID|MPI_LOCALNRANKS|MV2_COMM_WORLD_\w+|ALPS_APP_PE|"
    # Open MPI and IBM's, which has settings of users by the names OMPI_MCA_...
    r"(ORTE|PRTE|JSM|OMPI_COMM_WORLD|OMPI_MCA_(ess|orte|pmix|prte))_\w+|"
    r"OMPI_MCA_(ess|hwloc_base_binding_policy|initial_wdir|mpi_oversubscribe|num_procs|pmix|shmem_RUNTIME_QUERY_hint)|"
    r"OMPI_(APP_CTX_NUM_PROCS|ARGV|COMMAND|FILE_LOCATION|FIRST_RANKS|NUM_APP_CTX|UNIVERSE_SIZE)|"
    # the cores to which a step was bound
    r"SLURM_CPU_BIND\w*"
)


def for_launcher(name: str, value: str, *, keep: bool = True) -> str:
    """Shell text that sets a variable for the launcher.

    Parameters
    ----------
    name : str
    value : str
        Shell text.
    keep : bool
        Leave it as it is where it is set already. Default True.

    Examples
    --------
    >>> for_launcher("SLURM_OVERLAP", "1")
    'export PARSL_ON_DASK_WAS_SLURM_OVERLAP="${SLURM_OVERLAP-}" SLURM_OVERLAP="${SLURM_OVERLAP:-1}"'
    """
    text = f"${{{name}:-{value}}}" if keep else value
    return f'export {WAS}{name}="${{{name}-}}" {name}="{text}"'


def overlaps(launcher: Any) -> bool:
    """Whether the steps that a launcher starts in a job of Slurm are to leave their CPUs to the steps of apps.

    Not those of SrunMPILauncher, which divide the CPUs among them. ``mpiexec`` uses ``srun``, too.
    """
    from parsl_on_dask.launchers.launchers import SrunMPILauncher

    return getattr(launcher, "several_nodes", False) and not isinstance(launcher, SrunMPILauncher)


def put_back(environment: MutableMapping[str, str], ranks: bool) -> None:
    """Have an environment be what it would be without the launcher's variables.

    Parameters
    ----------
    environment : mutable mapping
    ranks : bool
        Whether to take away what tells an MPI program its rank.

    Examples
    --------
    >>> found = {"N": "2", "PARSL_ON_DASK_WAS_N": "", "M": "b", "PARSL_ON_DASK_WAS_M": "a", "PMI_RANK": "0"}
    >>> put_back(found, ranks=True)
    >>> found
    {'M': 'a'}
    """
    for name in [name for name in environment if name.startswith(WAS)]:
        before = environment.pop(name)
        if before:
            environment[name.removeprefix(WAS)] = before
        else:
            environment.pop(name.removeprefix(WAS), None)
    if ranks:
        for name in [name for name in environment if RANKS.fullmatch(name)]:
            del environment[name]
