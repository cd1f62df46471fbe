"""Blocks of two nodes: one job of Slurm, workers on both of its nodes, started with srun.

    python examples/hpc_multinode.py --partition debug [--nodes 2] [--address 10.0.0.1]
    python examples/hpc_multinode.py --dry-run            # only shows the job script

Large values go from worker to worker, also between nodes, and never through the script.
"""

from __future__ import annotations

import argparse

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import SlurmProvider


@python_app
def part(number: int, size: int) -> tuple[list[int], str]:
    """Some pseudo-random numbers, and the node on which they were made."""
    import os
    import random
    import time

    time.sleep(0.2)  # long enough for every node to get its share
    rng = random.Random(number)
    return sorted(rng.randrange(size) for _ in range(size)), os.environ.get("SLURMD_NODENAME", "")


@python_app
def merge(*parts: tuple[list[int], str]) -> tuple[int, int, list[str]]:
    """The middle of all numbers, how many there are, and the nodes that took part."""
    import heapq

    numbers = list(heapq.merge(*(numbers for numbers, _ in parts)))
    return numbers[len(numbers) // 2], len(numbers), sorted({node for _, node in parts})


def main() -> None:
    parser = argparse.ArgumentParser(description="Blocks of several nodes.")
    parser.add_argument("--partition")
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--address", help="address of this machine that the nodes can reach, when it is not found")
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--dry-run", action="store_true", help="show the job script, and submit nothing")
    options = parser.parse_args()

    provider = SlurmProvider(
        partition=options.partition,
        nodes_per_block=options.nodes,
        launcher=SrunLauncher(),
        cores_per_node=2,
        exclusive=False,
        walltime="00:10:00",
    )
    if options.dry_run:
        print(provider.script(command="start-the-workers-of-this-node"), end="")
        return
    executor = HighThroughputExecutor(label="nodes", address=options.address, max_workers_per_node=2, provider=provider)
    with parsl.load(Config([executor])):
        # a first call waits for the job to start; then all its nodes are there within moments
        part(0, 1).result()
        while len(executor.connected_managers()) < options.nodes:
            part(0, 1).result()
        parts = [part(number, options.size) for number in range(8 * options.nodes)]
        middle, count, nodes = merge(*parts).result()
        print(f"{count} numbers, made on {len(nodes)} nodes ({', '.join(nodes)}); the middle is {middle}")


if __name__ == "__main__":
    main()
