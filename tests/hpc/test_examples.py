"""The examples for HPC run, on a real Slurm or as far as they go without one."""

from __future__ import annotations

import re
from pathlib import Path

from tests.examples.test_examples import run
from tests.hpc.slurm import Slurm


def test_slurm(slurm: Slurm, tmp_path: Path) -> None:
    options = ("--partition", "debug", "--address", "127.0.0.1", "--points", "32")
    lines = run(tmp_path, "hpc_slurm.py", *options).splitlines()
    assert lines[0].startswith("32 flights in ")
    assert lines[1].startswith("the farthest: ") and lines[1].endswith(" degrees")
    assert not slurm.jobs()


def test_the_tutorial(slurm: Slurm, tmp_path: Path) -> None:
    """The script of docs/tutorials/slurm.md as it stands; what the page shows of it is what it printed here."""
    page = (Path(__file__).parents[2] / "docs" / "tutorials" / "slurm.md").read_text()
    script = tmp_path / "sweep.py"
    script.write_text(re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[0])
    best, where = run(tmp_path, str(script), before=("-m", "parsl_on_dask")).splitlines()
    assert best == "the farthest of 89 flights: 137.7 m, at 40 degrees" and best in page
    assert where.startswith("jobs: ") and " nodes: " in where
    assert not slurm.jobs()


def test_multinode(slurm: Slurm, tmp_path: Path) -> None:
    [line] = run(tmp_path, "hpc_multinode.py", "--partition", "debug", "--address", "127.0.0.1").splitlines()
    assert line.startswith("320000 numbers, made on 2 nodes (node1, node2)")


def test_mpi(slurm: Slurm, tmp_path: Path) -> None:
    lines = run(tmp_path, "hpc_mpi.py", "--partition", "debug", "--nodes", "2", "--address", "127.0.0.1").splitlines()
    assert lines[0] in [f"1 node: pi = 3.14159265 by 2 of 2 ranks on node{number}" for number in (1, 2)]
    assert lines[1:] == ["2 nodes: pi = 3.14159265 by 4 of 4 ranks on node1, node2"]
    assert not slurm.jobs()
