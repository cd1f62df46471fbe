"""What a provider for a batch system does with jobs, on each of them."""

from __future__ import annotations

import logging
import os
import pickle
import threading

import pytest

from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.launchers import SimpleLauncher
from parsl_on_dask.providers import (
    CondorProvider,
    GridEngineProvider,
    LSFProvider,
    PBSProProvider,
    SlurmProvider,
    TorqueProvider,
)
from parsl_on_dask.providers.errors import ScriptPathError, SubmitException
from parsl_on_dask.providers.jobqueue import JobQueueProvider
from tests.helpers import alive, eventually

NODE = {"cores": 1, "memory": "1GB"}
PROVIDERS = {
    "slurm": SlurmProvider,
    "pbspro": PBSProProvider,
    "torque": TorqueProvider,
    "lsf": LSFProvider,
    "sge": GridEngineProvider,
    "condor": CondorProvider,
    "oar": lambda jobqueue=None, **rest: JobQueueProvider(
        "oar", jobqueue={**NODE, "memory_per_core_property_name": "not_applicable", **(jobqueue or {})}, **rest
    ),
    "moab": lambda jobqueue=None, **rest: JobQueueProvider("moab", jobqueue={**NODE, **(jobqueue or {})}, **rest),
}
FILES = {
    "slurm": {"", ".stdout", ".stderr", ".ec", ".nodes"},
    "pbspro": {"", ".stdout", ".stderr", ".ec", ".nodes"},
    "condor": {".submit", ".script", ".stdout", ".stderr"},
}
REST = {".submit", ".submit.stdout", ".submit.stderr", ".ec", ".nodes"}
CLOSED = {
    "slurm": {"partition": "closed"},
    "condor": {"requirements": "closed"},
    "oar": {"jobqueue": {"queue": "closed"}},
    "moab": {"jobqueue": {"queue": "closed"}},
}
LONG = 60.0

all_systems = pytest.mark.parametrize("system", PROVIDERS)


@pytest.fixture
def make(fake, tmp_path):
    """Start a fake and make its provider."""

    def make(system, **arguments):
        arguments = {"launcher": SimpleLauncher(), "cmd_timeout": LONG, **arguments}
        provider = PROVIDERS[system](**arguments)
        provider.script_dir = str(tmp_path / "submit scripts")
        os.makedirs(provider.script_dir, exist_ok=True)
        return fake(system), provider

    return make


def state(provider, job):
    return provider.status([job])[0].state


def until(provider, job, wanted):
    eventually(lambda: state(provider, job) is wanted, f"{wanted}, is {provider.status([job])}")
    return provider.status([job])[0]


@all_systems
def test_a_job_that_ends_well(make, system, tmp_path):
    _, provider = make(system, worker_init="export GREETING=hello")
    job = provider.submit(
        f"echo $GREETING $JOBNAME; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done", 1, "parsl.x.block-0"
    )
    assert isinstance(job, str)
    until(provider, job, JobState.RUNNING)
    (tmp_path / "go").touch()
    status = until(provider, job, JobState.COMPLETED)
    assert status.terminal
    name = provider.resources[job]["job_name"]
    assert status.stdout.startswith(f"hello {name}")
    assert name.startswith("parsl.x.block-0.")
    written = {file.removeprefix(name) for file in os.listdir(provider.script_dir)}
    assert written == FILES.get(system, REST)


@all_systems
def test_a_job_that_fails_shows_exit_code_and_stderr(make, system):
    _, provider = make(system, worker_init="source /no/such/environment || exit 3")
    job = provider.submit("true", 1)
    status = until(provider, job, JobState.FAILED)
    assert status.exit_code == 3
    assert "/no/such/environment" in status.stderr


@all_systems
def test_a_job_is_cancelled(make, system, tmp_path):
    fake, provider = make(system)
    job = provider.submit(f"echo $$ > {tmp_path}/pid; exec sleep 100", 1)
    pid = int(eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "it runs"))
    assert provider.cancel([job]) == [True]
    until(provider, job, JobState.CANCELLED)
    eventually(lambda: not alive(pid), "the process is gone")
    calls = len(fake.calls())
    assert provider.cancel([job]) == [True]  # it is gone
    assert provider.status([job])[0].state is JobState.CANCELLED
    assert len(fake.calls()) == calls


@all_systems
def test_jobs_wait_and_are_held(make, system):
    fake, provider = make(system)
    fake.set("full")
    waiting = provider.submit("true", 1)
    assert state(provider, waiting) is JobState.PENDING
    fake.set("held")
    held = provider.submit("true", 1)
    assert state(provider, held) is JobState.HELD
    assert not provider.status([held])[0].terminal
    assert provider.cancel([waiting, held]) == [True, True]
    assert until(provider, waiting, JobState.CANCELLED)


@all_systems
def test_a_refused_job_has_the_systems_own_words(make, system):
    _, provider = make(system, **CLOSED.get(system, {"queue": "closed"}))
    with pytest.raises(SubmitException, match="closed") as caught:
        provider.submit("true", 1)
    assert caught.value.retcode
    assert "closed" in caught.value.stderr
    assert str(caught.value).count(caught.value.stderr.strip()) == 1
    assert provider.resources == {}


def test_a_system_that_is_not_there(tmp_path, monkeypatch):
    provider = SlurmProvider()
    provider.script_dir = str(tmp_path)
    monkeypatch.setenv("PATH", "/usr/sbin")
    with pytest.raises(SubmitException, match="sbatch"):
        provider.submit("true", 1)


@all_systems
def test_while_the_system_does_not_answer_states_stand(make, system, caplog):
    fake, provider = make(system)
    job = provider.submit("exec sleep 100", 1)
    until(provider, job, JobState.RUNNING)
    fake.set("broken")
    with caplog.at_level(logging.WARNING, "parsl"):
        assert state(provider, job) is JobState.RUNNING
        assert state(provider, job) is JobState.RUNNING
        assert state(provider, job) is JobState.RUNNING
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "cannot reach the server" in caplog.text
    fake.unset("broken")
    assert provider.cancel([job]) == [True]
    until(provider, job, JobState.CANCELLED)


@all_systems
def test_a_slow_system_is_given_cmd_timeout(make, system, caplog):
    fake, provider = make(system)
    job = provider.submit("exec sleep 100", 1)
    until(provider, job, JobState.RUNNING)
    fake.set("slow", 1000)
    provider.cmd_timeout = 0.5
    assert state(provider, job) is JobState.RUNNING
    assert provider.cancel([job]) == [False]
    with pytest.raises(SubmitException, match="cmd_timeout"):
        provider.submit("true", 1)


@pytest.mark.parametrize("system", [name for name in PROVIDERS if name != "condor"])  # which has a history
def test_a_forgotten_job_is_known_by_its_exit_code(make, system):
    fake, provider = make(system)
    good, bad = provider.submit("sleep 0.2", 1), provider.submit("sleep 0.2; exit 4", 1)
    assert state(provider, good) in (JobState.RUNNING, JobState.COMPLETED)
    fake.set("forgetful")
    status = until(provider, bad, JobState.FAILED)
    assert status.exit_code == 4
    until(provider, good, JobState.COMPLETED)


@all_systems
def test_a_job_ends_at_its_walltime(make, system):
    walltime = {"jobqueue": {"walltime": "00:01:00"}} if system in ("oar", "moab") else {"walltime": "00:01:00"}
    fake, provider = make(system, **walltime)
    fake.set("scale", 1 / 60)
    assert provider.walltime_seconds == 60
    provider.walltime = "00:00:01"
    if provider.site.walltime:
        provider._site = None
        provider.jobqueue = {**provider.jobqueue, "walltime": "00:00:01"}
        fake.set("scale", 1)
    elif system not in ("slurm", "lsf"):  # these two have minutes
        fake.set("scale", 1)
    job = provider.submit("exec sleep 100", 1)
    until(provider, job, JobState.TIMEOUT)


@all_systems
def test_one_command_asks_after_all_jobs(make, system):
    fake, provider = make(system)
    jobs = [provider.submit("exec sleep 100", 1) for _ in range(3)]
    until(provider, jobs[0], JobState.RUNNING)
    before = fake.calls()
    assert [s.state for s in provider.status(jobs)] == [JobState.RUNNING] * 3
    asked = fake.calls()[len(before) :]
    if system not in ("oar", "moab"):  # whose commands take one job
        assert len(asked) == 1
        assert system == "sge" or all(job in asked[0] for job in jobs)
    assert provider.cancel(jobs) == [True] * 3


def test_long_lists_of_jobs_are_divided(make):
    fake, provider = make("slurm", status_batch_size=2)
    jobs = [provider.submit("exec sleep 100", 1) for _ in range(3)]
    before = len(fake.calls())
    provider.status(jobs)
    assert len(fake.calls()) - before == 2


@all_systems
def test_cancelling_one_that_has_ended_cancels_the_others(make, system):
    fake, provider = make(system)
    ended, running = provider.submit("true", 1), provider.submit("exec sleep 100", 1)
    until(provider, running, JobState.RUNNING)
    eventually(lambda: fake.jobs()[1].state == "done", "the first has ended")
    assert provider.cancel([ended, running]) == [True, True]
    until(provider, running, JobState.CANCELLED)


def test_a_submission_that_does_not_return_is_found(make):
    fake, provider = make("slurm")
    fake.set("linger", 100)
    provider.cmd_timeout = 5
    job = provider.submit("true", 1)
    assert job == "1"
    provider.cmd_timeout = LONG
    until(provider, job, JobState.COMPLETED)


def test_jobs_are_submitted_from_many_threads_at_once(make):
    _, provider = make("slurm")
    jobs = []
    threads = [threading.Thread(target=lambda: jobs.append(provider.submit("true", 1, "same"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(jobs)) == 6
    assert len({job["job_name"] for job in provider.resources.values()}) == 6


def test_a_status_command_that_raises_is_no_end(make, monkeypatch):
    _, provider = make("slurm")
    job = provider.submit("true", 1)

    def fail(command, timeout=None):
        raise OSError("no more processes")

    monkeypatch.setattr(provider, "execute_wait", fail)
    assert state(provider, job) is JobState.PENDING
    assert provider.cancel([job]) == [False]


def test_a_script_directory_that_is_not_there(make):
    _, provider = make("slurm")
    provider.script_dir += "/nowhere"
    with pytest.raises(ScriptPathError, match="nowhere"):
        provider.submit("true", 1)


def test_scripts_are_for_their_owner_only(make):
    _, provider = make("slurm")
    job = provider.submit("true", 1)
    assert os.stat(provider.resources[job]["script_path"]).st_mode & 0o777 == 0o700


def test_ids_of_other_providers_are_unknown(make):
    _, provider = make("slurm")
    assert provider.status(["99"])[0].state is JobState.UNKNOWN
    assert provider.cancel(["99"]) == [False]
    assert provider.status([]) == []


def test_a_copy_can_cancel_the_jobs(make):
    fake, provider = make("slurm")
    job = provider.submit("exec sleep 100", 1)
    until(provider, job, JobState.RUNNING)
    copy = pickle.loads(pickle.dumps(provider))
    assert copy.cancel([job]) == [True]
    assert fake.jobs()[1].state == "cancelled"


@all_systems
def test_providers_can_be_pickled(make, system):
    _, provider = make(system)
    provider.submit("true", 1)
    copy = pickle.loads(pickle.dumps(provider))
    assert repr(copy) == repr(provider)
    assert copy.resources == {}
    assert copy.script("true") == provider.script("true")
    assert copy.status_polling_interval == 60


with_arrays = pytest.mark.parametrize("system", ["slurm", "pbspro", "lsf", "sge"])


@with_arrays
def test_jobs_of_an_array_are_told_apart_and_end_alone(make, system, tmp_path):
    fake, provider = make(system, worker_init="export GREETING=hello")
    wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    commands = [f"echo $GREETING {i} $JOBNAME; {wait}; exit {i}" for i in range(3)]
    jobs = provider.submit_array(commands, 1, [f"parsl.x.block-{i}" for i in range(3)], "parsl.x.blocks-0-2")
    assert len(set(jobs)) == 3 and len(fake.calls()) == 1, "one submission"
    eventually(lambda: [s.state for s in provider.status(jobs)] == [JobState.RUNNING] * 3, "all run")
    assert provider.cancel([jobs[1]]) == [True]
    until(provider, jobs[1], JobState.CANCELLED)
    assert [s.state for s in provider.status([jobs[0], jobs[2]])] == [JobState.RUNNING] * 2, "the others go on"
    (tmp_path / "go").touch()
    done, failed = until(provider, jobs[0], JobState.COMPLETED), until(provider, jobs[2], JobState.FAILED)
    assert failed.exit_code == 2
    for status, job, number in ((done, jobs[0], 0), (failed, jobs[2], 2)):
        name = provider.resources[job]["job_name"]
        assert name.startswith(f"parsl.x.block-{number}.")
        assert status.stdout.splitlines()[0] == f"hello {number} {name}"


@with_arrays
def test_jobs_of_an_array_that_wait_are_cancelled_alone(make, system):
    fake, provider = make(system)
    fake.set("full")
    jobs = provider.submit_array(["true", "true"], 1, ["a", "b"], "ab")
    assert [s.state for s in provider.status(jobs)] == [JobState.PENDING] * 2
    assert provider.cancel([jobs[0]]) == [True]
    assert [s.state for s in provider.status(jobs)] == [JobState.CANCELLED, JobState.PENDING]
    fake.unset("full")
    until(provider, jobs[1], JobState.COMPLETED)


@with_arrays
def test_an_array_may_be_refused_or_not_be_wanted(make, system):
    fake, provider = make(system)
    fake.set("no-arrays")
    with pytest.raises(SubmitException, match="job arrays are not allowed here"):
        provider.submit_array(["true", "true"], 1, ["a", "b"], "ab")
    assert provider.resources == {}
    assert PROVIDERS[system]().array_way is not None
    assert PROVIDERS[system](job_arrays=False).array_way is None


@pytest.mark.parametrize("system", ["torque", "condor", "oar", "moab"])
def test_systems_whose_arrays_are_not_used(system):
    assert PROVIDERS[system]().array_way is None


def test_a_name_of_the_users_leaves_no_room_for_an_array_on_lsf():
    assert LSFProvider(scheduler_options="#BSUB -J mine").array_way is None
