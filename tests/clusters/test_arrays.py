"""Which blocks are submitted together, and what a refusal means."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from parsl_on_dask.clusters.arrays import Arrays
from parsl_on_dask.providers.arrays import MOST, SLURM, indexed


def arrays(way=SLURM):
    return Arrays(SimpleNamespace(array_way=way), "nodes")


def test_blocks_are_divided_by_what_fits_into_an_array():
    sizes = [len(group) for group in arrays().groups(range(2 * MOST + 1))]
    assert sizes == [MOST, MOST, 1]
    assert [len(group) for group in arrays(None).groups(range(3))] == [1, 1, 1]
    assert [len(group) for group in Arrays(object(), "own").groups(range(3))] == [1, 1, 1]
    assert arrays().groups([]) == []


def test_a_refusal_counts_when_single_jobs_are_taken(caplog):
    found = arrays()
    found.refused(RuntimeError("no arrays"))
    assert [len(group) for group in found.groups(range(2))] == [1, 1], "while nothing is known"
    with caplog.at_level(logging.WARNING, "parsl.clusters.arrays"):
        found.single(done=True)
        found.single(done=True)
    assert [record.getMessage().count("no arrays") for record in caplog.records] == [1]
    assert [len(group) for group in found.groups(range(2))] == [1, 1]


def test_a_refusal_of_everything_says_nothing_about_arrays(caplog):
    found = arrays()
    found.refused(RuntimeError("no such account"))
    with caplog.at_level(logging.WARNING, "parsl.clusters.arrays"):
        found.single(done=False)
    assert [len(group) for group in found.groups(range(2))] == [2]
    assert not caplog.records


@pytest.mark.parametrize("text", ["", "true", "cat <<END\nesac\nEND\n", "case x in\nx) echo y;;\nesac"])
def test_the_script_runs_the_part_of_an_index(text, tmp_path):
    import subprocess

    script = SLURM.script([f"{text}\necho part 0", f"{text}\necho part 1"])
    done = subprocess.run(
        ["bash", "-c", script],
        env={"SLURM_ARRAY_TASK_ID": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "part 1")


def test_paths():
    assert indexed("/a.b/c.stdout") == "/a.b/c.@index@.stdout"
