"""Scripts that wait in the queue of a batch system: what `ps` and `stop` say, and what becomes of their jobs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from parsl_on_dask.common import run_records
from parsl_on_dask.common.run_records import RunRecord
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.front_door import in_job, jobs_of_runs, listing, stopping
from tests.providers.conftest import Fake, fake, no_site  # noqa: F401


@pytest.fixture
def slurm(fake: Callable[[str], Fake]) -> Fake:  # noqa: F811
    """A Slurm on which nothing begins."""
    found = fake("slurm")
    found.set("full")
    return found


@pytest.fixture
def waiting(slurm: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    """A run that has asked for its job."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    log = str(tmp_path / "nightly.log")
    record = run_records.create(
        "nightly", kind="job", host="", boot="", system="slurm", cwd=str(tmp_path), log=log, argv=["true"]
    )
    return run_records.update("nightly", job=jobs_of_runs.submit(record, life=1))


def path(record: RunRecord) -> str:
    return run_records.path_of(record.name, record.folder)


def test_it_waits_until_it_is_stopped(slurm: Fake, waiting: RunRecord, capsys: pytest.CaptureFixture[str]) -> None:
    assert listing.show([waiting], every=False, as_json=False) == 0
    assert "pending, slurm job 1" in capsys.readouterr().out
    assert stopping.stop(waiting, now=False) == 0
    assert slurm.jobs()[1].state == "cancelled"
    said = capsys.readouterr().err.splitlines()
    assert said == ["nightly: slurm job 1 is cancelled", "nightly ended: its job 1 was cancelled"]


def test_its_job_is_cancelled_by_another_hand(
    slurm: Fake, waiting: RunRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs_of_runs.provider_of(waiting).execute_wait("scancel 1")
    assert listing.show([waiting], every=True, as_json=False) == 0
    assert "ended: its job 1 was cancelled before it began" in capsys.readouterr().out
    assert run_records.state_of(run_records.again(waiting)).over


def test_it_goes_on_waiting_while_the_system_does_not_answer(slurm: Fake, waiting: RunRecord) -> None:
    slurm.set("broken")
    assert jobs_of_runs.refreshed([waiting]) == [waiting]
    assert run_records.state_of(waiting).word == "pending"


def test_the_keeper_asks_for_the_next_job_and_takes_it_back(
    slurm: Fake, waiting: RunRecord, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert jobs_of_runs.main([path(waiting), "2"]) == 0
    assert capsys.readouterr().out == "2\n"
    assert jobs_of_runs.main([path(waiting), "2", "2"]) == 0
    assert [slurm.jobs()[job].state for job in (1, 2)] == ["queued", "cancelled"]
    monkeypatch.setenv("PATH", "/nowhere")
    assert jobs_of_runs.main([path(waiting), "2", "1"]) == 1
    assert "slurm job 1 could not be cancelled" in capsys.readouterr().err
    assert jobs_of_runs.main([path(waiting), "2"]) == 1
    assert "sbatch" in capsys.readouterr().err
    os.unlink(path(waiting))
    assert jobs_of_runs.main([path(waiting), "2"]) == 2


def test_the_batch_system_is_the_one_whose_commands_are_here(slurm: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"].partition(":")[0])
    assert in_job.system_here() == "slurm"
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigurationError, match="no batch system's are here: write --in-job=slurm"):
        in_job.system_here()
