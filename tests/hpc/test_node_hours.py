"""Node-hours of blocks on a real Slurm, as the run sees them and by its books."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.jobs.accounting import by_the_books
from parsl_on_dask.jobs.node_hours import read
from tests.helpers import WAIT, eventually
from tests.hpc.blocks import executor, here
from tests.hpc.slurm import Slurm


def test_what_a_run_sees_is_what_the_books_say(slurm: Slurm, run_slurm: Callable[..., Any]) -> None:
    one = executor(nodes_per_block=2, init_blocks=1)
    kernel = run_slurm(one)
    parsl.python_app(here)(2.5).result(WAIT)
    [job] = slurm.jobs()
    parsl.clear()
    [seen] = read(kernel.run_dir)
    [block] = seen.blocks
    assert (block.job, block.nodes, block.walltime, block.state) == (job.id, 2, 600.0, "SCALED_IN")
    assert seen.system == "slurm" and 0 < block.idle < block.used
    if shutil.which("sacct") is None or subprocess.run(["sacct", "-X"], capture_output=True).returncode:
        pytest.skip("this Slurm keeps no books")
    [booked] = eventually(lambda: (b := by_the_books(seen)).source == "sacct" and b.blocks, "the job is in them", 60)
    assert (booked.job, booked.nodes, booked.walltime) == (job.id, 2, 600.0)
    assert 0 < booked.idle <= booked.used
