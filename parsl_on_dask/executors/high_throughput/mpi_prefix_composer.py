"""The commands with which MPI programs are started on the nodes of a call, and what a call may ask for.

Where names, keys and variables come from: Parsl's module of this name. Open MPI's form of the command is this package's
own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parsl_on_dask.common.arguments import short
from parsl_on_dask.executors.errors import InvalidResourceSpecification

#: What ``mpi_launcher`` may be.
VALID_LAUNCHERS = ("srun", "aprun", "mpiexec")
#: Keys of a resource specification.
KEYS = ("num_nodes", "ranks_per_node", "num_ranks", "launcher_options")
_EXAMPLE = "Write for example parsl_resource_specification={'num_nodes': 2, 'ranks_per_node': 4}."


def validate_resource_spec(resource_spec: Mapping[str, Any] | None) -> None:
    """Raise unless MPI programs can be started by a specification.

    Parameters
    ----------
    resource_spec : mapping
        With at least one of ``num_nodes``, ``ranks_per_node``, ``num_ranks`` and ``launcher_options``.

    Raises
    ------
    InvalidResourceSpecification

    Examples
    --------
    >>> validate_resource_spec({"num_nodes": 2, "num_ranks": 8})
    >>> validate_resource_spec({"nodes": 2})
    Traceback (most recent call last):
    ...
    parsl_on_dask.executors.errors.InvalidResourceSpecification: Invalid Resource Specification Supplied: {'nodes'}. \
MPI calls take only the keys num_nodes, ranks_per_node, num_ranks, launcher_options.
    """
    if not resource_spec:
        raise InvalidResourceSpecification(set(), f"MPI calls have to say how many nodes they take. {_EXAMPLE}")
    invalid = set(resource_spec) - set(KEYS)
    if invalid:
        raise InvalidResourceSpecification(invalid, f"MPI calls take only the keys {', '.join(KEYS)}.")
    for name in KEYS[:3]:
        value = resource_spec.get(name)
        if value is not None and _whole(value) is None:
            raise InvalidResourceSpecification(
                {name}, f"{name} must be a whole number above 0, not {short(value)}. {_EXAMPLE}"
            )
    options = resource_spec.get("launcher_options")
    if options is not None and not isinstance(options, str):
        raise InvalidResourceSpecification(
            {"launcher_options"}, f"launcher_options must be a str of options, not {short(options)}."
        )


def _whole(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number == float(value) and number > 0 and not isinstance(value, bool) else None


def completed(resource_spec: Mapping[str, Any]) -> dict[str, Any]:
    """A valid specification with the numbers that follow from those it has.

    Without ``num_nodes`` the ranks decide, and one node is the default; without ranks there is one for each node.

    Examples
    --------
    >>> completed({"num_nodes": 2, "ranks_per_node": 4})
    {'num_nodes': 2, 'ranks_per_node': 4, 'num_ranks': 8}
    >>> completed({"num_nodes": 2, "num_ranks": 7})
    {'num_nodes': 2, 'num_ranks': 7, 'ranks_per_node': 4}
    >>> completed({"launcher_options": "-v"})
    {'launcher_options': '-v', 'num_nodes': 1, 'ranks_per_node': 1, 'num_ranks': 1}
    """
    found = {k: int(v) if k in KEYS[:3] else v for k, v in resource_spec.items() if v is not None}
    ranks, each = found.get("num_ranks"), found.get("ranks_per_node")
    nodes = found.setdefault("num_nodes", math.ceil(ranks / each) if ranks and each else 1)
    found.setdefault("ranks_per_node", math.ceil(ranks / nodes) if ranks else 1)
    found.setdefault("num_ranks", nodes * found["ranks_per_node"])
    return found


Composer = Callable[[Mapping[str, Any], Sequence[str]], tuple[str, str]]


def _composer(program: str, template: str, doc: str) -> Composer:
    def compose(resource_spec: Mapping[str, Any], node_hostnames: Sequence[str]) -> tuple[str, str]:
        spec = completed(resource_spec)
        each = spec["ranks_per_node"]
        command = template.format(
            program=program,
            ranks=spec["num_ranks"],
            each=each,
            hosts=",".join(node_hostnames),
            slots=",".join(f"{name}:{each}" for name in node_hostnames),
            nodes=len(node_hostnames),
        )
        options = resource_spec.get("launcher_options") or ""
        return f"PARSL_{program.upper()}_PREFIX", f"{command} {options}".strip()

    compose.__doc__ = f"{doc}, as the name of a variable and its value."
    return compose


compose_mpiexec_launch_cmd = _composer(
    "mpiexec", "{program} -n {ranks} -ppn {each} -hosts {hosts}", "The command of MPICH and Intel MPI"
)
compose_srun_launch_cmd = _composer(
    "srun",
    "{program} --ntasks {ranks} --ntasks-per-node {each} --nodelist {hosts} --nodes {nodes}",
    "Slurm's command",
)
compose_aprun_launch_cmd = _composer(
    "aprun", "{program} -n {ranks} -N {each} -node-list {hosts}", "The command of Cray's ALPS"
)
compose_open_mpi = _composer(
    "mpiexec",
    "{program} -n {ranks} --map-by ppr:{each}:node --host {slots}",
    "The command where ``mpiexec`` is Open MPI's, which takes other options than MPICH's",
)

_COMPOSERS: dict[str, Composer] = {
    "aprun": compose_aprun_launch_cmd,
    "srun": compose_srun_launch_cmd,
    "mpiexec": compose_mpiexec_launch_cmd,
}


def compose_all(
    mpi_launcher: str, resource_spec: Mapping[str, Any], node_hostnames: Sequence[str], *, open_mpi: bool = False
) -> dict[str, str]:
    """The commands of all launchers by the names of their variables; that of ``mpi_launcher`` is the default.

    Parameters
    ----------
    mpi_launcher : str
        One of :data:`VALID_LAUNCHERS`.
    resource_spec : mapping
        A valid specification.
    node_hostnames : sequence of str
        The nodes of the call.
    open_mpi : bool
        Whether ``mpiexec`` is Open MPI's. Default False: it takes MPICH's options. Not in Parsl.

    Raises
    ------
    RuntimeError
        For another launcher.

    Examples
    --------
    >>> compose_all("srun", {"num_nodes": 2, "ranks_per_node": 4}, ["n1", "n2"])["PARSL_MPI_PREFIX"]
    'srun --ntasks 8 --ntasks-per-node 4 --nodelist n1,n2 --nodes 2'
    """
    if mpi_launcher not in _COMPOSERS:
        raise RuntimeError(f"Unknown mpi_launcher {mpi_launcher!r}: it has to be one of {', '.join(VALID_LAUNCHERS)}")
    composers = {**_COMPOSERS, "mpiexec": compose_open_mpi} if open_mpi else _COMPOSERS
    composed = {name: compose(resource_spec, node_hostnames) for name, compose in composers.items()}
    return {**dict(composed.values()), "PARSL_MPI_PREFIX": composed[mpi_launcher][1]}


def environment_of(
    mpi_launcher: str, resource_spec: Mapping[str, Any], node_hostnames: Sequence[str], open_mpi: bool = False
) -> dict[str, str]:
    """The environment variables of a call: what it asked for, its nodes, and the commands of all launchers."""
    spec = {**completed(resource_spec), "MPI_NODELIST": ",".join(node_hostnames)}
    values = {f"PARSL_{name.upper()}": str(value) for name, value in spec.items()}
    return {**values, **compose_all(mpi_launcher, resource_spec, node_hostnames, open_mpi=open_mpi)}
