"""`run --in-job`: the script is itself in a job, which is asked for again before its time is up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.front_door.runs import Folder
from tests.helpers import WAIT, eventually
from tests.hpc.slurm import Slurm

SITE = """\
jobqueue:
  slurm:
    queue: debug
    cores: 1
    memory: 900MB
    walltime: "{walltime}"
    job-script-prologue: ["export FROM_SITE=slurm"]
"""


@pytest.fixture
def folder(slurm: Slurm, tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    site(made, "00:08:00")
    yield made
    made.clear()


def site(folder: Folder, walltime: str) -> None:
    (folder.path / "dask").mkdir(exist_ok=True)
    (folder.path / "dask" / "jobqueue.yaml").write_text(SITE.format(walltime=walltime))
    folder.environment["DASK_CONFIG"] = str(folder.path / "dask")


def submitted(folder: Folder, *words: str) -> str:
    said = folder.call("run", *words)
    assert " waits in slurm job " in said, said
    return said.split()[0]


def test_a_script_in_a_job_is_followed_as_any_other(slurm: Slurm, folder: Folder) -> None:
    folder.held(
        """
        parsl.load()
        print(os.environ["FROM_SITE"], os.environ["SLURM_JOB_ID"], sys.argv[1:])
        print(held("gate").result())
        sys.exit(5)
        """
    )
    name = submitted(folder, "--in-job=slurm", "script.py", "word")
    [job] = slurm.running()
    assert job.name.startswith(name)
    folder.says(name, f"slurm {job.id} ['word']")
    row = eventually(lambda: (r := folder.listed()[name])["progress"] and r, "progress")
    assert (row["state"], row["job"], row["progress"]["apps"][0]["app"]) == ("running", job.id, "held")
    with folder.calling("logs", "-f", name) as following, folder.calling("wait", name) as waiting:
        folder.open()
        assert waiting.wait(WAIT) == 5
        assert following.wait(WAIT) == 0
        assert following.stdout is not None and following.stdout.read().endswith("gate\n")
    assert folder.listed()[name]["text"] == "ended with exit code 5"


def test_a_job_that_waits_and_is_stopped(slurm: Slurm, folder: Folder) -> None:
    folder.script("print('never')")
    (folder.path / "dask" / "jobqueue.yaml").write_text(SITE.format(walltime="00:08:00").replace("debug", "closed"))
    name = submitted(folder, "--in-job=slurm", "script.py")
    [job] = slurm.jobs()
    assert folder.listed()[name]["text"] == f"pending, slurm job {job.id}"
    assert f"slurm job {job.id} is cancelled" in folder.call("stop", name)
    assert folder.listed()[name]["text"] == f"ended: its job {job.id} was cancelled"
    assert folder.log(name) == ""


def test_a_job_that_somebody_else_cancels_while_it_waits(slurm: Slurm, folder: Folder) -> None:
    folder.script("print('never')")
    (folder.path / "dask" / "jobqueue.yaml").write_text(SITE.format(walltime="00:08:00").replace("debug", "closed"))
    name = submitted(folder, "--in-job=slurm", "script.py")
    [job] = slurm.jobs()
    slurm.cancel(job.id)
    assert "was cancelled before it began" in folder.call("wait", name, code=1)


@pytest.mark.parametrize("now", [False, True], ids=["as Ctrl-C", "now"])
def test_a_script_in_a_job_is_stopped(slurm: Slurm, folder: Folder, now: bool) -> None:
    folder.held(
        """
        with parsl.load():
            print("here")
            try:
                go_on()
            finally:
                print("cleaned up")
        """
    )
    name = submitted(folder, "--in-job=slurm", "script.py")
    folder.says(name, "here")
    folder.call("stop", *["--now"] * now, name)
    if not now:
        assert "cleaned up" in folder.log(name)
        assert folder.record(name).returncode == -2
    eventually(lambda: not slurm.jobs(), "the job is gone", WAIT)


def test_a_job_that_is_refused(slurm: Slurm, folder: Folder) -> None:
    folder.script("print('never')")
    (folder.path / "dask" / "jobqueue.yaml").write_text(SITE.format(walltime="00:08:00").replace("debug", "nowhere"))
    assert "invalid partition" in folder.call("run", "--in-job=slurm", "script.py", code=1).lower()
    assert folder.listed() == {}


def test_the_time_of_the_job_is_up_and_the_script_goes_on_in_the_next(slurm: Slurm, folder: Folder) -> None:
    site(folder, "00:01:00")
    folder.script(
        """
        import os, sys, time
        import parsl

        @parsl.python_app(cache=True)
        def step(n, gate):
            while not os.path.exists(gate):
                time.sleep(0.01)
            with open("calls", "a") as calls:
                calls.write(f"{n}\\n")
            return n

        from parsl.config import Config
        from parsl.dataflow.memoization import BasicMemoizer

        with parsl.load(Config(memoizer=BasicMemoizer(checkpoint_mode="task_exit"))):
            print("job", os.environ["SLURM_JOB_ID"])
            first = step(1, "script.py").result()
            print(first + step(2, "gate").result())
        """
    )
    name = submitted(folder, "--in-job=slurm", "script.py")
    [first] = slurm.running()
    folder.says(name, f"job {first.id}")
    second = eventually(lambda: [j for j in slurm.jobs("RUNNING") if j.id != first.id], "the next job", 120)[0]
    folder.says(name, f"\njob {second.id}")
    folder.open()
    folder.call("wait", name)
    lines = folder.log(name).splitlines()
    assert f"parsl_on_dask: the time of job {first.id} is almost up: the script is ended" in lines
    assert lines[-1] == "3"
    assert (folder.path / "calls").read_text() == "1\n2\n"
    record = folder.record(name)
    assert (record.life, record.job, len(record.run_dirs)) == (2, second.id, 2)


def test_a_job_that_is_cancelled_and_one_that_is_run_again(slurm: Slurm, folder: Folder) -> None:
    folder.held("print('job', os.environ['SLURM_JOB_ID'], flush=True); go_on(); print('done')")
    name = submitted(folder, "--in-job=slurm", "script.py")
    folder.says(name, "job")
    slurm.cancel(slurm.running()[0].id)
    assert "; the batch system has ended it" in eventually(
        lambda: (row := folder.listed()[name])["ended"] and row["text"], "the end"
    )
    name = submitted(folder, "--in-job=slurm", "script.py")
    [job] = slurm.running()
    folder.says(name, f"job {job.id}")
    slurm.call("scontrol", "requeue", job.id)
    slurm.hasten(job.id)
    try:
        eventually(lambda: folder.log(name).count(f"job {job.id}") == 2, "it begins again")
    except AssertionError as error:
        raise AssertionError(f"{error}; its log:\n{folder.log(name)}") from None
    folder.open()
    folder.call("wait", name)
    assert folder.log(name).endswith("done\n")
