"""How soon it is noticed that a job of a user's cluster object has ended."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.clusters.jobs_of_cluster import ScaledCluster
from parsl_on_dask.clusters.polling import Timetable
from parsl_on_dask.clusters.roster import Roster
from parsl_on_dask.jobs.states import JobState, JobStatus


class Clock:
    """A time that passes when it is waited for, up to an end."""

    def __init__(self, end: float) -> None:
        self.now, self.end = 0.0, end

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return self.now >= self.end


def test_workers_that_came_and_went_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job was seen to run once; it is asked for again long before the interval is over."""
    clock = Clock(60.0)
    answers = iter([JobState.RUNNING])
    asked: list[float] = []

    class System:
        def watch(self, job: str, name: str) -> None: ...

        def status(self, jobs: list[str]) -> list[JobStatus]:
            asked.append(clock.now)
            return [JobStatus(next(answers, JobState.CANCELLED)) for _ in jobs]

    monkeypatch.setattr("parsl_on_dask.providers.jobqueue.provider_from_jobqueue", lambda name: System())
    cluster: Any = ScaledCluster.__new__(ScaledCluster)
    cluster.jobs = SimpleNamespace(
        worker_spec={"j-0": {}},
        workers={"j-0": SimpleNamespace(job_id="7")},
        job_cls=SimpleNamespace(config_name="slurm"),
    )
    cluster.provider, cluster.lock = SimpleNamespace(label="SLURMCluster"), threading.Lock()
    cluster.roster, cluster.had_workers, cluster.seen, cluster.ended = Roster(cluster), {}, {}, {}
    cluster.left, cluster.questions = clock, Timetable(60.0, lambda: clock.now)
    cluster._watch()
    assert len(asked) >= 2, "it was running, and without workers"
    assert cluster.seen["j-0"].state is JobState.CANCELLED
