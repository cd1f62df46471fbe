"""Jobs of PBS Pro: the same workflow as for Slurm, another provider.

    python examples/hpc_pbs.py --account physics --queue workq
    python examples/hpc_pbs.py --account physics --queue workq --dry-run     # only shows the job script

Two nodes a job, started with mpiexec; four workers a node, each with one GPU and a quarter of the cores.
"""

from __future__ import annotations

import argparse

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import MpiExecLauncher
from parsl_on_dask.providers import PBSProProvider


@python_app
def where() -> str:
    """The node, worker and accelerator on which this runs."""
    import os
    import socket

    rank, gpu = os.environ["PARSL_WORKER_RANK"], os.environ["CUDA_VISIBLE_DEVICES"]
    return f"{socket.gethostname()}: worker {rank} with accelerator {gpu}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Jobs of PBS Pro.")
    parser.add_argument("--account")
    parser.add_argument("--queue")
    parser.add_argument("--calls", type=int, default=32)
    parser.add_argument("--dry-run", action="store_true", help="show the job script, and submit nothing")
    options = parser.parse_args()

    provider = PBSProProvider(
        account=options.account,
        queue=options.queue,
        nodes_per_block=2,
        cpus_per_node=64,
        select_options="ngpus=4",
        scheduler_options="#PBS -l filesystems=home",
        worker_init="module load python",
        launcher=MpiExecLauncher(bind_cmd="--cpu-bind", overrides="--ppn 1"),
        walltime="00:30:00",
    )
    if options.dry_run:
        print(provider.script(command="start-the-workers-of-this-node"), end="")
        return
    executor = HighThroughputExecutor(
        label="gpus", available_accelerators=4, cpu_affinity="block", cores_per_worker=16, provider=provider
    )
    with parsl.load(Config([executor])):
        print(*sorted({f.result() for f in [where() for _ in range(options.calls)]}), sep="\n")


if __name__ == "__main__":
    main()
