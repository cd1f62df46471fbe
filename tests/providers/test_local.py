"""LocalProvider: what it takes, and the jobs that it runs."""

from __future__ import annotations

import os
import pickle
import time

import pytest

from parsl_on_dask.errors import ConfigurationError, ParslError
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.launchers import SimpleLauncher
from parsl_on_dask.launchers.errors import BadLauncher
from parsl_on_dask.old_spellings import legacy
from parsl_on_dask.old_spellings.legacy import ParslDeprecationWarning
from parsl_on_dask.providers import LocalProvider
from parsl_on_dask.providers.errors import ScriptPathError, SubmitException


@pytest.mark.parametrize(
    "argument",
    [
        {"nodes_per_block": 0},
        {"init_blocks": -1},
        {"min_blocks": 2, "max_blocks": 1},
        {"max_blocks": "1"},
        {"parallelism": -0.5},
        {"cmd_timeout": 0},
        {"worker_init": ["module load python"]},
        {"channel": "ssh"},
    ],
    ids=repr,
)
def test_wrong_arguments(argument):
    with pytest.raises(ConfigurationError, match=next(iter(argument))):
        LocalProvider(**argument)


def test_a_launcher_must_be_one():
    with pytest.raises(BadLauncher, match=r"write launcher=SimpleLauncher\(\)") as caught:
        LocalProvider(launcher=SimpleLauncher)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("argument", [{"walltime": "00:15:00"}, {"move_files": True}])
def test_arguments_of_the_past(argument):
    legacy.forget_warnings()
    with pytest.warns(ParslDeprecationWarning, match="leave it out"):
        LocalProvider(**argument)


@pytest.fixture
def provider(tmp_path):
    provider = LocalProvider(launcher=SimpleLauncher(), worker_init="export GREETING=hello", cmd_timeout=5)
    provider.script_dir = str(tmp_path)
    return provider


def wait(provider, job, state):
    end = time.monotonic() + 10
    while (status := provider.status([job])[0]).state is not state and time.monotonic() < end:
        time.sleep(0.02)
    return status


def test_a_job_runs_and_its_output_is_kept(provider, tmp_path):
    job = provider.submit("echo $GREETING $JOBNAME; echo oops >&2; exit 3", 1, "block")
    status = wait(provider, job, JobState.FAILED)
    assert (status.state, status.exit_code, status.stderr) == (JobState.FAILED, 3, "oops\n")
    assert status.stdout.startswith("hello block.")
    assert len(list(tmp_path.glob("block.*.sh*"))) == 4


def test_a_job_that_ends_well(provider):
    assert wait(provider, provider.submit("true", 1), JobState.COMPLETED).terminal


def test_cancel_ends_all_processes_of_a_job(provider, tmp_path):
    job = provider.submit(f"sleep 60 & echo $! > {tmp_path}/pid; wait", 1)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.02)
    assert provider.status([job])[0].state is JobState.RUNNING
    assert provider.cancel([job]) == [True]
    assert provider.status([job])[0].state is JobState.CANCELLED
    pid = int((tmp_path / "pid").read_text())
    end = time.monotonic() + 5
    while _alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not _alive(pid)


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_script_directory_that_is_not_there(provider):
    provider.script_dir = os.path.join(provider.script_dir, "nowhere")
    with pytest.raises(ScriptPathError, match="nowhere"):
        provider.submit("true", 1)


def test_errors_survive_pickling():
    error = SubmitException("job", "refused", stderr="why", retcode=1)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert isinstance(error, ParslError)


def test_task_name_is_the_old_job_name():
    legacy.forget_warnings()
    with pytest.warns(DeprecationWarning):
        assert SubmitException("job", "m").task_name == "job"


def test_long_job_output_is_cut_in_the_middle(tmp_path):
    path = tmp_path / "out"
    path.write_text("a" * 5000 + "z" * 5000)
    status = JobStatus(JobState.FAILED, stdout_path=str(path), stderr_path=str(tmp_path / "none"))
    assert status.stdout_summary == "a" * 1024 + "\n...\n" + "z" * 1024
    assert status.stderr_summary is None
    assert len(status.stdout) == 10000
