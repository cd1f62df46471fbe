"""No Parsl Config at all: jobs by dask-jobqueue's settings, an unmodified script, hosts by SSH."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.executors import DaskExecutor
from parsl_on_dask.launchers import SrunLauncher
from tests.helpers import WAIT, Script, eventually
from tests.hpc.blocks import environment, here
from tests.hpc.slurm import Slurm

SITE = """\
jobqueue:
  slurm:
    queue: debug
    cores: 2
    memory: 1800MB
    walltime: "00:08:00"
    interface: lo
    job-script-prologue: ["export FROM_SITE=slurm"]
    job-extra-directives: ["--comment=from-site"]
  perlmutter:
    queue: short
    cores: 1
    memory: 900MB
    walltime: "00:04:00"
    interface: lo
    job-script-prologue: ["export FROM_SITE=perlmutter"]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a jobqueue.yaml, which Dask reads."""
    import dask
    import distributed  # noqa: F401  # whose defaults are to be there afterwards, too

    folder = tmp_path / "dask"
    folder.mkdir()
    (folder / "jobqueue.yaml").write_text(SITE)
    monkeypatch.setenv("DASK_CONFIG", str(folder))
    before = dask.config.config.copy()
    dask.config.refresh(paths=[str(folder)])
    yield folder
    dask.config.config.clear()
    dask.config.config.update(before)


def test_one_line_is_enough(slurm: Slurm, run_slurm: Callable[..., Any], site: Path) -> None:
    one = DaskExecutor(jobqueue="slurm", max_blocks=2)
    run_slurm(one)
    seen = parsl.python_app(environment)("FROM_SITE", "SLURM_JOB_ID", "PARSL_WORKER_BLOCK_ID").result(WAIT)
    [job] = slurm.jobs()
    assert seen == {"FROM_SITE": "slurm", "SLURM_JOB_ID": job.id, "PARSL_WORKER_BLOCK_ID": "0"}
    facts = slurm.facts(job.id)
    assert (facts["Partition"], facts["TimeLimit"], facts["Comment"]) == ("debug", "00:08:00", "from-site")
    assert one.scale_out_facade(1) == ["1"]
    eventually(lambda: sorted(one.connected_blocks()) == ["0", "1"], "a second block", WAIT)


def test_slots_limit_and_options_of_workers(
    slurm: Slurm, run_slurm: Callable[..., Any], site: Path, tmp_path: Path
) -> None:
    preload = tmp_path / "preload.py"
    preload.write_text("import os\n\ndef dask_setup(worker):\n    os.environ['PRELOADED'] = 'yes'\n")
    one = DaskExecutor(
        jobqueue="slurm",
        max_blocks=1,
        processes=1,
        local_directory=f"{tmp_path}/of-$SLURM_JOB_ID/local",
        job_extra_directives=["--time=00:06:00"],
        worker_extra_args=["--resources GPU=1", f"--preload {preload}"],
    )
    run_slurm(one)
    seen = parsl.python_app(environment)("PRELOADED", "PARSL_ON_DASK_JOB_END", "PARSL_WORKER_COUNT").result(WAIT)
    [job] = slurm.jobs()
    facts = slurm.facts(job.id)
    assert facts["TimeLimit"] == "00:06:00"
    assert (seen["PRELOADED"], seen["PARSL_WORKER_COUNT"]) == ("yes", "2")
    began = datetime.fromisoformat(facts["StartTime"]).timestamp()
    assert 0 <= float(seen["PARSL_ON_DASK_JOB_END"]) - began - 360 < WAIT, "six minutes, not the eight of the file"
    assert (tmp_path / f"of-{job.id}" / "local").is_dir()

    @parsl.python_app
    def rank(parsl_resource_specification: Any = None) -> str:
        return os.environ["PARSL_WORKER_RANK"]

    calls = [rank(parsl_resource_specification={"resources": {"GPU": 1}}) for _ in range(3)]
    assert [call.result(WAIT) for call in calls] == ["0"] * 3, "one process of dask-jobqueue's would offer it"


def test_a_named_section_and_arguments_that_win(slurm: Slurm, run_slurm: Callable[..., Any], site: Path) -> None:
    one = DaskExecutor(
        jobqueue="slurm",
        config_name="perlmutter",
        walltime="00:03:00",
        nodes_per_block=2,
        launcher=SrunLauncher(),
        max_workers_per_node=1,
        worker_init="export FROM_ARGUMENT=yes",
    )
    run_slurm(one, strategy="simple")
    seen = parsl.python_app(environment)("FROM_SITE", "FROM_ARGUMENT").result(WAIT)
    assert seen == {"FROM_SITE": "perlmutter", "FROM_ARGUMENT": "yes"}
    [job] = slurm.jobs()
    facts = slurm.facts(job.id)
    assert (facts["Partition"], facts["TimeLimit"], job.nodes) == ("short", "00:03:00", 2)
    eventually(lambda: len(one.connected_managers()) == 2, "two nodes", WAIT)


SCRIPT = """
    import parsl
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
    from parsl.providers import LocalProvider

    executors = [
        HighThroughputExecutor(label="processes", max_workers_per_node=1, provider=LocalProvider(max_blocks=3)),
        ThreadPoolExecutor(label="threads", max_threads=2),
    ]

    def where(seconds):
        import os
        import time

        time.sleep(seconds)
        return os.environ.get("SLURM_JOB_ID"), os.environ.get("FROM_SITE")

    with parsl.load(Config(executors, strategy="simple", strategy_period=0.5)):
        for label in ("processes", "threads"):
            app = parsl.python_app(where, executors=[label])
            seen = {f.result() for f in [app(0.2) for _ in range(12)]}
            print(label, len(seen), sorted(seen)[0][1])
    """


def test_an_unmodified_script(slurm: Slurm, script: Callable[..., Script], site: Path) -> None:
    command = ("-m", "parsl_on_dask", "--jobqueue", "slurm", "--max-blocks", "1")
    one = script(SCRIPT, python_args=command)
    assert one.ends(120) == 0, one.stderr
    assert one.stdout.splitlines() == ["processes 1 slurm", "threads 1 slurm"]
    one.leaves_nothing()


def test_an_unmodified_script_keeps_its_number_of_blocks(
    slurm: Slurm, script: Callable[..., Script], site: Path
) -> None:
    command = ("-m", "parsl_on_dask", "--jobqueue", "slurm", "--config-name", "perlmutter")
    one = script(SCRIPT.replace('("processes", "threads")', '("processes",)').replace("12", "60"), python_args=command)
    assert one.ends(120) == 0, one.stderr
    [line] = one.stdout.splitlines()
    assert line in ("processes 2 perlmutter", "processes 3 perlmutter")


def test_a_script_whose_jobs_are_refused(slurm: Slurm, script: Callable[..., Script], site: Path) -> None:
    (site / "jobqueue.yaml").write_text(SITE.replace("queue: debug", "queue: nowhere"))
    one = script(SCRIPT, python_args=("-m", "parsl_on_dask", "--jobqueue", "slurm"))
    assert one.ends(120) == 1
    assert "invalid partition" in one.stderr.lower()


def test_hosts_by_ssh(run_slurm: Callable[..., Any], ssh: list[str]) -> None:
    """Two names of this machine are two hosts."""
    one = DaskExecutor(hosts=["alpha", "beta"], ssh_options=ssh[1:], max_workers_per_node=1)
    run_slurm(one)
    eventually(lambda: sorted(one.connected_blocks()) == ["0", "1"], "both hosts have workers", WAIT)
    where = parsl.python_app(here)
    assert len({f.result(WAIT)[2] for f in [where(0.3) for _ in range(8)]}) == 2
    assert os.environ.get("SSH_CONNECTION") is None
    seen = parsl.python_app(environment)("SSH_CONNECTION").result(WAIT)
    assert seen["SSH_CONNECTION"]
