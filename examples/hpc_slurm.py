"""A parameter sweep in jobs of Slurm that come and go with the work.

    python examples/hpc_slurm.py --partition debug [--account physics] [--points 64]
    python examples/hpc_slurm.py --dry-run            # only shows the job script

Each job is one node with as many workers as it has cores, at most eight. There are jobs while there is work: one to
start with, four at the most, none when they have had nothing to do for half a minute. What a job's end cuts off runs
again in the next, so a sweep may take longer than any job.
"""

from __future__ import annotations

import argparse
import math

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.providers import SlurmProvider


@python_app
def simulate(angle: float, steps: int = 20_000) -> tuple[float, float, str]:
    """How far a ball flies through air, for an angle in degrees; and the job in which that was found out."""
    import math
    import os

    x = y = 0.0
    vx, vy = 50 * math.cos(math.radians(angle)), 50 * math.sin(math.radians(angle))
    dt = 10 / steps
    for _ in range(steps):
        speed = math.hypot(vx, vy)
        vx -= 0.005 * speed * vx * dt
        vy -= (9.81 + 0.005 * speed * vy) * dt
        x, y = x + vx * dt, y + vy * dt
        if y < 0:
            break
    return angle, x, os.environ["SLURM_JOB_ID"]


def main() -> None:
    parser = argparse.ArgumentParser(description="A parameter sweep in jobs of Slurm.")
    parser.add_argument("--partition")
    parser.add_argument("--account")
    parser.add_argument("--walltime", default="00:10:00")
    parser.add_argument("--init", default="", help="shell text for the jobs, such as 'module load python'")
    parser.add_argument("--address", help="address of this machine that the nodes can reach, when it is not found")
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--dry-run", action="store_true", help="show the job script, and submit nothing")
    options = parser.parse_args()

    provider = SlurmProvider(
        partition=options.partition,
        account=options.account,
        walltime=options.walltime,
        worker_init=options.init,
        exclusive=False,
        cores_per_node=2,
        init_blocks=1,
        max_blocks=4,
    )
    if options.dry_run:
        print(provider.script(), end="")
        return
    executor = HighThroughputExecutor(label="sweep", address=options.address, max_workers_per_node=8, provider=provider)
    with parsl.load(Config([executor], strategy="simple", max_idletime=30)):
        angles = [90 * (i + 0.5) / options.points for i in range(options.points)]
        flights = [f.result() for f in [simulate(angle) for angle in angles]]
    angle, distance, _ = max(flights, key=lambda flight: flight[1])
    jobs = {job for _, _, job in flights}
    print(f"{len(flights)} flights in {len(jobs)} job{'s' if len(jobs) > 1 else ''}")
    print(f"the farthest: {math.floor(distance)} m, at {angle:.0f} degrees")


if __name__ == "__main__":
    main()
