"""A Parsl script as it stands: at which angle does a ball fly the farthest, against the wind?

    python -m parsl_on_dask examples/first_workflow.py      # run it twice

A sweep over all angles, a closer look where it was best, a table that a command sorts, and results that a second run
takes from the first. Everything is written to the folder first_workflow.
"""

import os
import time

import parsl
from parsl import File, bash_app, join_app, python_app
from parsl.config import Config
from parsl.dataflow.memoization import BasicMemoizer
from parsl.executors import HighThroughputExecutor


@python_app(cache=True)
def fly(angle, wind, dt=1e-4):
    """How far a ball flies that is thrown at an angle in degrees."""
    import math

    x = y = 0.0
    vx, vy = 30 * math.cos(math.radians(angle)), 30 * math.sin(math.radians(angle))
    while y >= 0:
        speed = math.hypot(vx + wind, vy)
        vx -= 0.01 * speed * (vx + wind) * dt
        vy -= (9.81 + 0.01 * speed * vy) * dt
        x, y = x + vx * dt, y + vy * dt
    return angle, round(x, 3)


@join_app
def look_closer(wind, inputs=()):
    """More flights around the best ones: which these are is known when the first have ended."""
    best, _ = max(inputs, key=lambda flight: flight[1])
    return [fly(best + step / 20, wind) for step in range(-20, 21) if step]


@python_app
def write_table(closer, inputs=(), outputs=()):
    with open(outputs[0], "w") as table:
        for angle, distance in [*inputs, *closer]:
            print(angle, distance, sep=",", file=table)


@bash_app
def sort_table(inputs=(), outputs=()):
    return f"sort -t , -k 2 -g -r {inputs[0]} > {outputs[0]}"


if __name__ == "__main__":
    began = time.perf_counter()
    os.makedirs("first_workflow", exist_ok=True)
    config = Config(
        executors=[HighThroughputExecutor(max_workers_per_node=2)],
        memoizer=BasicMemoizer(checkpoint_mode="task_exit"),
        run_dir="first_workflow/runinfo",
    )
    with parsl.load(config):
        sweep = [fly(angle, wind=5) for angle in range(1, 90)]
        closer = look_closer(wind=5, inputs=sweep)
        table = write_table(closer, inputs=sweep, outputs=[File("first_workflow/flights.csv")])
        ranking = sort_table(inputs=[table.outputs[0]], outputs=[File("first_workflow/ranking.csv")])
        ranking.result()

        reused = sum(flight.task_record["from_memo"] for flight in sweep)
        with open("first_workflow/ranking.csv") as lines:
            angle, distance = next(lines).strip().split(",")
    print(f"the farthest flight: {distance} m, at {angle} degrees")
    print(f"{reused} of the first {len(sweep)} flights were known; {time.perf_counter() - began:.1f} s in all")
