"""Every example runs, as its first lines say, and prints what it should."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests import interpreters
from tests.helpers import SCRIPT_TAG, describe, eventually, tagged

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(directory: Path, name: str, *args: str, before: tuple[str, ...] = (), status: int = 0) -> str:
    """Standard output of the example; nothing on standard error, and nothing left running."""
    tag = uuid.uuid4().hex
    done = interpreters.run(
        [sys.executable, *before, str(EXAMPLES / name), *args],
        cwd=directory,
        env={**os.environ, SCRIPT_TAG: tag},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr and "rror" not in done.stderr, done.stderr
    try:
        eventually(lambda: not tagged(SCRIPT_TAG, tag), "nothing is left running")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{describe(tagged(SCRIPT_TAG, tag))}") from None
    return done.stdout


def test_first_workflow(tmp_path: Path) -> None:
    """It is a script for Parsl; what was known the first time is not computed the second time."""
    first, second = (run(tmp_path, "first_workflow.py", before=("-m", "parsl_on_dask")).splitlines() for _ in "12")
    assert first[0] == second[0] == "the farthest flight: 47.885 m, at 38.05 degrees"
    assert first[1].startswith("0 of the first 89 flights were known")
    assert second[1].startswith("89 of the first 89 flights were known")
    ranking = (tmp_path / "first_workflow" / "ranking.csv").read_text().splitlines()
    distances = [float(line.split(",")[1]) for line in ranking]
    assert len(distances) == 129 and distances == sorted(distances, reverse=True)


@pytest.mark.parametrize("executor", ["threads", "processes", "existing"])
def test_mapreduce_identifiers(executor: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if executor == "existing":
        executor = request.getfixturevalue("existing_cluster")
    out = run(tmp_path, "mapreduce_identifiers.py", "--executor", executor, "--files", "12", "--calls", "6")
    lines = out.splitlines()
    assert "of 12 files" in lines[0]
    assert len(lines) == 22
    assert " self " in "".join(lines[1:4]), "the favourite of every Python library"
    counts = [int(line.split()[2].replace(",", "")) for line in lines[1:21]]
    assert counts == sorted(counts, reverse=True) and counts[-1] > 100
    assert lines[-1].endswith(f"on {executor}")


def test_mapreduce_gives_the_same_counts_everywhere(tmp_path: Path) -> None:
    arguments = ("--files", "6", "--top", "200")
    by_processes = run(tmp_path, "mapreduce_identifiers.py", *arguments, "--calls", "5")
    by_threads = run(tmp_path, "mapreduce_identifiers.py", *arguments, "--calls", "3", "--executor", "threads")
    assert by_processes.splitlines()[:-1] == by_threads.splitlines()[:-1]
    assert len(by_threads.splitlines()) == 202


def test_bash_pipeline(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    out = run(tmp_path, "bash_pipeline.py", "--parts", "3", "--numbers", "2000", "--directory", str(kept))
    assert out.splitlines()[-1] == "6000 lines in the merged file"
    numbers = [int(x) for x in (kept / "merged.txt").read_text().split()]
    assert numbers == sorted(numbers) and len(numbers) == 6000
    best = max(set(numbers), key=lambda n: (numbers.count(n), -n))
    assert out.splitlines()[1].split() == [str(numbers.count(best)), str(best)]


def test_join_recursion(tmp_path: Path) -> None:
    out = run(tmp_path, "join_recursion.py", "--length", "3000", "--leaf", "400", "--fibonacci", "7")
    assert out.splitlines() == ["sorted 3000 numbers in 30 calls: True", "fibonacci(7) = 13 in 82 calls"]


def test_same_script_everywhere(tmp_path: Path, existing_cluster: str) -> None:
    lines = run(tmp_path, "same_script_everywhere.py", "threads", "processes", existing_cluster).splitlines()
    assert [line.split()[0] for line in lines] == ["threads", "processes", "existing"]
    estimates = {line.split("about ")[1][:6] for line in lines}
    assert len(estimates) == 1 and abs(float(estimates.pop()) - 3.14) < 0.02
    assert "below this process" in lines[0]
    assert "below another process" in lines[1] and "below another process" in lines[2]


def test_same_script_with_a_cluster_of_its_own(tmp_path: Path) -> None:
    [line] = run(tmp_path, "same_script_everywhere.py", "existing").splitlines()
    assert line.startswith("existing") and "below another process" in line


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_checkpointed_campaign(executor: str, tmp_path: Path) -> None:
    def campaign(*args: str, **more: Any) -> list[str]:
        given = ("--files", "60", "--executor", executor, *args)
        return run(tmp_path, "checkpointed_campaign.py", *given, **more).splitlines()

    def counts(lines: list[str]) -> list[int]:
        return [int(word) for word in lines[0].split() if word.isdecimal()]

    assert campaign("--stop-after", "25", status=-signal.SIGKILL) == ["25 of 60 files done: killed"]
    second = campaign()
    total, recorded, looked_at = counts(second)
    assert total == recorded + looked_at == 60 and recorded >= 25
    third = campaign()
    assert counts(third) == [60, 60, 0]
    assert len(second) == 6 and second[1:] == third[1:]
    if executor == "threads":
        afresh = campaign("--directory", "another")
        assert counts(afresh) == [60, 0, 60] and afresh[1:] == third[1:]


@pytest.mark.parametrize("executor", ["threads", "processes", "existing"])
def test_files_pipeline(executor: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if executor == "existing":
        executor = request.getfixturevalue("existing_cluster")
    texts = {
        "one.txt": "The longest word wins.",
        "two.txt": "a word is, at times, the longest",
        "three.txt": "Longest WORD!",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    out = run(tmp_path, "files_pipeline.py", "--executor", executor, "--directory", "kept", *texts)
    lines = [line.strip() for line in out.splitlines()]
    assert lines == [
        "4 different words in one.txt",
        "7 different words in two.txt",
        "2 different words in three.txt",
        "2 in all 3 of them; the longest of these:",
        "longest word",
    ]
    assert (tmp_path / "kept" / "shared1.txt").read_text() == "longest\nword\n"


def test_files_nothing_shared(tmp_path: Path) -> None:
    lines = run(tmp_path, "files_nothing_shared.py", "--parts", "3", "--numbers", "2000").splitlines()
    assert [line.split(" is on ")[0] for line in lines[:3]] == ["part0.txt", "part1.txt", "part2.txt"]
    assert {line.split(" is on ")[1] for line in lines[:3]} <= {"alice", "bob"}
    assert lines[3] == "2000 numbers came back, sorted: True"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["runinfo", "sorted.txt", "unsorted.txt"]


def test_files_nothing_shared_on_an_existing_cluster(tmp_path: Path, existing_cluster: str) -> None:
    out = run(tmp_path, "files_nothing_shared.py", "--scheduler", existing_cluster, "--numbers", "2000")
    assert out.splitlines()[-1] == "2000 numbers came back, sorted: True"


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_monitored(executor: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/chains.db"
    out = run(tmp_path, "monitored.py", "--executor", executor, "--up-to", "4000", "--database", url)
    lines = out.splitlines()
    assert lines[:5] == [
        "the longest chain has 238 numbers and begins with 3711",
        "long chains: 23 tasks done, 0 failed",
        "  longest: 20 tasks, 20 tries",
        "  moody: 3 tasks, 6 tries",
        "  on 1 host",
    ]
    assert len(lines) == 5 or executor == "processes"


def test_the_runner_runs_an_example_written_for_parsl(tmp_path: Path) -> None:
    """The same file with Parsl's own import lines, started with `python -m parsl_on_dask`."""
    text = (EXAMPLES / "join_recursion.py").read_text()
    (tmp_path / "for_parsl.py").write_text(
        text.replace("import parsl_on_dask as parsl", "import parsl").replace("from parsl_on_dask", "from parsl")
    )
    assert "parsl_on_dask" not in (tmp_path / "for_parsl.py").read_text()
    out = run(
        tmp_path,
        str(tmp_path / "for_parsl.py"),
        *("--length", "3000", "--leaf", "400", "--fibonacci", "7"),
        before=("-m", "parsl_on_dask"),
    )
    assert out.splitlines() == ["sorted 3000 numbers in 30 calls: True", "fibonacci(7) = 13 in 82 calls"]


@pytest.mark.parametrize(
    "name, options, wanted",
    [
        (
            "hpc_slurm.py",
            ("--partition", "debug", "--account", "physics"),
            ["#SBATCH --nodes=1", "#SBATCH --partition=debug", "#SBATCH --account=physics"],
        ),
        (
            "hpc_multinode.py",
            ("--nodes", "3"),
            ["#SBATCH --nodes=3", "srun --ntasks 3", "start-the-workers-of-this-node"],
        ),
        (
            "hpc_mpi.py",
            ("--nodes", "3"),
            ["#SBATCH --nodes=3", "start-the-workers-of-the-first-node"],
        ),
        (
            "hpc_pbs.py",
            ("--account", "physics"),
            ["#PBS -l select=2:ncpus=64:ngpus=4", "module load python", "mpiexec --cpu-bind none --ppn 1 -n 2"],
        ),
    ],
)
def test_job_scripts(name: str, options: tuple[str, ...], wanted: list[str], tmp_path: Path) -> None:
    out = run(tmp_path, name, "--dry-run", *options)
    assert out.startswith("#!/bin/bash")
    assert not [text for text in wanted if text not in out], out
    assert not list(tmp_path.iterdir()), "nothing was submitted or left"


def test_mpi_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("mpiexec") is None:
        pytest.skip("no mpiexec here; install one, for example: apt-get install openmpi-bin")
    monkeypatch.setenv("OMPI_ALLOW_RUN_AS_ROOT", "1")
    monkeypatch.setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
    [line] = run(tmp_path, "hpc_mpi.py", "--here").splitlines()
    assert line == f"1 node: pi = 3.14159265 by 2 of 2 ranks on {socket.gethostname()}"


def test_every_example_has_a_test() -> None:
    own_text = Path(__file__).read_text()
    assert not [p.name for p in EXAMPLES.glob("*.py") if f'"{p.name}"' not in own_text]
