"""A script that dies on a Slurm site: its job stays, and the script that is started again has it."""

from __future__ import annotations

import shutil

import pytest

from tests.faults.lives import lives_of
from tests.hpc.slurm import Slurm


@pytest.mark.parametrize("seed", range(2))
def test_a_script_that_is_killed_finds_its_job_again(seed: int, slurm: Slurm) -> None:
    lives = lives_of("slurm", seed, calls=40, seconds=0.2, kills=2, longest=12.0)
    assert not lives.wrong, (lives.wrong, lives.directory)
    asked_for = list(lives.directory.glob("runinfo/*/submit_scripts/cmd_*"))
    # a script that was killed as it came to its end had ended its job, and the next one is another run
    outputs = [(lives.directory / f"out-{life}").read_text() for life in range(lives.kills)]
    assert len(asked_for) <= 1 + sum("every result is right" in said for said in outputs), asked_for
    shutil.rmtree(lives.directory)
