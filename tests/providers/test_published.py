"""Published sections of jobqueue.yaml: dask-jobqueue's jobs and ours, directive by directive and slot by slot."""

from __future__ import annotations

import re
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import pytest
import yaml

from parsl_on_dask.clusters.blockspec import job_seconds
from parsl_on_dask.dask_internals.jobqueue import LSFJob, MoabJob, OARJob, PBSJob, SGEJob, SLURMJob
from parsl_on_dask.executors import DaskExecutor
from parsl_on_dask.providers.site import shipped

JOBS = {"slurm": SLURMJob, "pbs": PBSJob, "lsf": LSFJob, "sge": SGEJob, "oar": OARJob, "moab": MoabJob}
PUBLISHED: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "sections.yaml").read_text())
SLURM = {
    "-J": "--job-name",
    "-o": "--output",
    "-e": "--error",
    "-p": "--partition",
    "-A": "--account",
    "-t": "--time",
    "-n": "--ntasks",
    "-N": "--nodes",
}
#: what each job has of its own, or what only Parsl's scripts say, and what says the same in other words
OURS = {
    "slurm": {"--job-name", "--output", "--error", "--nodes"},
    "pbs": {"-N", "-S", "-o", "-e", "-m"},
    "moab": {"-N", "-o", "-e"},
    "sge": {"-N", "-S", "-o"},
    "lsf": {"-J", "-o", "-e"},
    "oar": {"-n", "-O", "-E"},
}
#: seconds that the batch system gives each job
SECONDS = {
    "cori": 600,
    "datarmor": 172800,
    "derecho": 3600,
    "default_q": 1500000,
    "levante": 28800,
    "all_memory": 86400,
    "oar": 3600,
    "gpu_interactive": 7200,
    "whole_memory_form": 5400,
    "cores_and_memory_form": 7200,
    "seconds_form": 86400,
    "torque_form": 600,
    "limit_in_directives_form": 14400,
    "hours_form": 7200,
    "walltime_in_resources_form": 7200,
}


@pytest.fixture(params=PUBLISHED)
def section(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Name, system and settings of a section, which is Dask's configuration now."""
    [(system, settings)] = PUBLISHED[request.param].items()
    monkeypatch.chdir(tmp_path)  # some want a folder for logs below it
    with dask.config.set({"jobqueue": {system: {**shipped()[system], **settings}}}):
        yield request.param, system, settings


def theirs(system: str, settings: dict[str, Any]) -> Any:
    # dask-jobqueue itself writes an option without a value as a dict of Python's
    # and one that is no list letter by letter
    extra = settings.get("job-extra") or []
    extra = [extra] if isinstance(extra, str) else [next(iter(e)) if isinstance(e, dict) else e for e in extra]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return JOBS[system]("tcp://scheduler:1", name="worker", **({"job_extra": extra} if extra else {}))


def directives(system: str, script: str) -> list[tuple[str, str]]:
    """Options and their values, in the order of the script."""
    mark = {"slurm": "#SBATCH", "sge": "#$", "lsf": "#BSUB", "oar": "#OAR"}.get(system, "#PBS")
    found = []
    for line in script.splitlines():
        if line.startswith(mark + " "):
            text = line.removeprefix(mark).strip()
            option, value = re.fullmatch(r"(-\w|--[\w-]+)(?:[= ]\s*)?(.*)", text).groups()
            option = SLURM.get(option, option) if system == "slurm" else option
            found.append((option, " ".join(shlex.split(value))))
    return found


def test_every_system_that_dask_jobqueue_has_is_among_them() -> None:
    assert {system for entry in PUBLISHED.values() for system in entry} == set(JOBS)


def test_the_same_is_asked_of_the_batch_system(section: Any) -> None:
    _, system, settings = section
    wanted = directives(system, theirs(system, settings).job_script())
    asked = directives(system, DaskExecutor(jobqueue=system).provider.script())
    if ("--ntasks-per-node", "1") in asked:
        assert ("--nodes", "1") in asked
        asked = [("--ntasks", "1") if option == "--ntasks-per-node" else (option, value) for option, value in asked]
    own = OURS[system]
    assert [d for d in wanted if d[0] not in own and d not in asked] == []
    assert [d for d in asked if d[0] not in own and d not in wanted] == []
    assert effective(asked, own) == effective(wanted, own)


def effective(found: list[tuple[str, str]], apart: set[str]) -> dict[Any, str]:
    """What a system goes by: of what is said twice, the last."""
    return {
        (option, value.partition("=")[0] if option == "-l" else ""): value
        for option, value in found
        if option not in apart
    }


def test_as_many_calls_run_at_a_time(section: Any) -> None:
    _, system, settings = section
    job = theirs(system, settings)
    executor = DaskExecutor(jobqueue=system)
    assert executor.workers_per_node == job.worker_processes * job.worker_process_threads
    assert f"export PARSL_CORES={executor.workers_per_node}\n" in executor.provider.script()


def test_workers_know_how_long_their_job_may_run(section: Any) -> None:
    name, system, _ = section
    assert job_seconds(DaskExecutor(jobqueue=system).provider) == SECONDS.get(name, 1800)
