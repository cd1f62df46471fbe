"""MPI programs on one to four nodes, as many at a time as the nodes of a job allow.

    python examples/hpc_mpi.py --partition debug [--nodes 4] [--launcher srun] [--address 10.0.0.1]
    python examples/hpc_mpi.py --here                     # on this machine, with its own mpiexec
    python examples/hpc_mpi.py --dry-run                  # only shows the job script

The program is a few lines of Python whose ranks know each other only by number, so it needs no MPI library. A real one
stands behind $PARSL_MPI_PREFIX in the same way.
"""

from __future__ import annotations

import argparse
import shlex
import sys

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, python_app
from parsl_on_dask.config import Config
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.executors import MPIExecutor, ThreadPoolExecutor
from parsl_on_dask.launchers import SimpleLauncher
from parsl_on_dask.providers import LocalProvider, SlurmProvider

# prints: the rank's share of an integral that is pi, and the node on which it was found
PROGRAM = """
import os, socket
def number(*names): return int(next(os.environ[n] for n in names if n in os.environ))
rank = number("OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")
size = number("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS")
n = 200_000
share = sum(4 / (1 + ((i + 0.5) / n) ** 2) for i in range(rank, n, size)) / n
print(share, os.environ.get("SLURMD_NODENAME") or socket.gethostname(), flush=True)
"""


@bash_app(executors=["mpi"])
def integrate(program: str, stdout: File | str | None = None, parsl_resource_specification: object = None) -> str:
    """Run the program's ranks on the nodes that this call was given."""
    return f"$PARSL_MPI_PREFIX {program}"


@python_app(executors=["script"])
def total(ranks: int, out: str, done: object) -> str:
    """Add up what the ranks printed."""
    with open(out) as file:
        shares = [line.split() for line in file]
    nodes = sorted({node for _, node in shares})
    return f"{sum(float(share) for share, _ in shares):.8f} by {len(shares)} of {ranks} ranks on {', '.join(nodes)}"


def main() -> None:
    parser = argparse.ArgumentParser(description="MPI programs on nodes of one job.")
    parser.add_argument("--partition")
    parser.add_argument("--nodes", type=int, default=4, help="nodes of the job")
    parser.add_argument("--ranks-per-node", type=int, default=2)
    parser.add_argument("--launcher", choices=["srun", "mpiexec", "aprun"], help="default: srun; mpiexec with --here")
    parser.add_argument("--options", default="", help="more options for the launcher")
    parser.add_argument("--address", help="address of this machine that the nodes can reach, when it is not found")
    parser.add_argument("--here", action="store_true", help="on this machine, which is a single node")
    parser.add_argument("--dry-run", action="store_true", help="show the job script, and submit nothing")
    options = parser.parse_args()

    if options.here:
        options.nodes = 1
        provider: LocalProvider | SlurmProvider = LocalProvider(launcher=SimpleLauncher())
    else:
        provider = SlurmProvider(
            partition=options.partition,
            nodes_per_block=options.nodes,
            walltime="00:10:00",
            launcher=SimpleLauncher(),  # workers on the first node only: MPI reaches the others
        )
    if options.dry_run:
        print(provider.script(command="start-the-workers-of-the-first-node"), end="")
        return
    executor = MPIExecutor(
        label="mpi",
        provider=provider,
        address=options.address,
        max_workers_per_block=options.nodes,
        mpi_launcher=options.launcher or ("mpiexec" if options.here else "srun"),
    )
    program = f"{shlex.quote(sys.executable)} -c {shlex.quote(PROGRAM)}"
    with parsl.load(Config([executor, ThreadPoolExecutor(label="script")])):
        found = []
        for nodes in range(1, options.nodes + 1):
            wanted = {
                "num_nodes": nodes,
                "ranks_per_node": options.ranks_per_node,
                "launcher_options": options.options,
            }
            out = f"on_{nodes}_nodes.txt"
            done = integrate(program, stdout=(out, "w"), parsl_resource_specification=wanted)
            found.append(total(nodes * options.ranks_per_node, out, done))
        for nodes, text in enumerate(found, 1):
            print(f"{nodes} node{'s' if nodes > 1 else ''}: pi = {text.result()}")


if __name__ == "__main__":
    main()
