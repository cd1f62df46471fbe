"""A script in a batch job whose time is up goes on in the next job, and nowhere twice; without a batch system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parsl_on_dask.common import run_records
from parsl_on_dask.front_door.job_keeper import BY_SYSTEM, NO_OTHER
from tests.front_door.programs import FRONT
from tests.front_door.runs import Folder
from tests.helpers import WAIT, alive, eventually

KEEPER = """
import os, sys, time
from parsl_on_dask.common import run_records
from parsl_on_dask.front_door import job_keeper

class Keeper(job_keeper.JobKeeper):
    def _left(self):
        return None

    def _look(self):
        super()._look()
        if os.path.exists(f"up-{self.life}"):
            os.unlink(f"up-{self.life}")
            self.end = time.monotonic() + float(sys.argv[3])
            self._end_of_time()

    def _ask(self, *words):
        with open("asked", "a") as asked:
            print(*words, file=asked)
        while os.path.exists("answer-later"):
            time.sleep(0.01)
        return "" if os.path.exists("refuse") else "18"

record = run_records.read_at(sys.argv[1])
print("turn", flush=True)
sys.exit(Keeper(record, int(sys.argv[2])).run() & 255)
"""


class Jobs(Folder):
    """Runs keepers as jobs would."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.started: list[subprocess.Popen[str]] = []
        self.held("print('life', os.getpid()); go_on(); print('done')")
        os.makedirs(self.records)
        (path / "run.log").touch()
        run_records.create(
            "run",
            where=self.records,
            kind="job",
            host="",
            boot="",
            system="slurm",
            job="17",
            life=1,
            cwd=str(path),
            argv=[sys.executable, "-u", *FRONT, "script.py"],
            log=str(path / "run.log"),
        )

    def job(self, life: int, left: float = 1000.0) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", KEEPER, run_records.path_of("run", self.records), str(life), str(left)]
        process = subprocess.Popen(
            words, cwd=self.path, env=self.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.started.append(process)
        assert process.stdout is not None and process.stdout.readline() == "turn\n"
        return process

    def lives(self, count: int) -> None:
        """Wait until the script has begun so many times."""
        eventually(lambda: self.log("run").count("life ") == count, f"life {count}")

    def asked(self) -> list[str]:
        path = self.path / "asked"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()
    record = made.record("run")
    if record.process is not None and run_records.state_of(record).word == "running":
        os.kill(record.process[0], signal.SIGKILL)


def test_it_goes_on_in_the_next_job_when_the_one_before_has_ended(jobs: Jobs) -> None:
    first = jobs.job(1)
    jobs.lives(1)
    assert run_records.state_of(jobs.record("run")).word == "running"
    second = jobs.job(2)  # which has not to wait in a queue, and waits for its turn
    jobs.open("up-1")
    assert first.wait(WAIT) == 0
    jobs.lives(2)
    record = jobs.record("run")
    assert (record.life, record.job, record.ended) == (2, "18", None)
    assert jobs.asked() == ["2"]
    jobs.open()
    assert second.wait(WAIT) == 0
    lines = jobs.log("run").splitlines()
    assert lines[2] == "Traceback (most recent call last):", "as after Ctrl-C"
    assert [line for line in lines if line.startswith("parsl_on_dask")] == [
        "parsl_on_dask: the time of job 17 is almost up: the script is ended",
        "parsl_on_dask: job 17 is over, and the script goes on in job 18",
    ]
    assert (jobs.record("run").returncode, lines[-1]) == (0, "done")


def test_it_waits_in_the_queue_for_the_next_job(jobs: Jobs) -> None:
    first = jobs.job(1)
    jobs.lives(1)
    jobs.open("up-1")
    assert first.wait(WAIT) == 0
    assert run_records.state_of(jobs.record("run")) == ("pending", "pending, slurm job 18")


def test_the_script_is_done_while_the_next_job_is_asked_for(jobs: Jobs) -> None:
    jobs.open("answer-later")
    first = jobs.job(1)
    jobs.lives(1)
    jobs.open("up-1")
    eventually(jobs.asked, "it is asked for")
    jobs.open()
    jobs.says("run", "done")
    pid = jobs.pid("run")
    eventually(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z", "the script has ended")
    (jobs.path / "answer-later").unlink()
    assert first.wait(WAIT) == 0
    assert run_records.state_of(jobs.record("run")).text == "ended with exit code 0"
    assert jobs.asked() == ["2", "cancel 18"]


def test_it_is_stopped_while_it_is_ended_for_the_next_job(jobs: Jobs) -> None:
    jobs.script(
        """
        import os, signal, time
        signal.signal(signal.SIGINT, lambda *_: print("not yet"))
        print("life")
        while not os.path.exists("gate"):
            time.sleep(0.01)
        """
    )
    first = jobs.job(1)
    jobs.says("run", "life")
    jobs.open("up-1")
    jobs.says("run", "not yet")
    run_records.update("run", where=jobs.records, request="stop")
    eventually(lambda: jobs.log("run").count("not yet") == 2, "it is asked again")
    jobs.open()
    assert first.wait(WAIT) == 0
    assert jobs.asked() == ["2", "cancel 18"]
    assert run_records.state_of(jobs.record("run")).text == "ended with exit code 0"


def test_a_stop_that_the_job_before_did_not_see(jobs: Jobs) -> None:
    run_records.update("run", where=jobs.records, request="stop")
    assert jobs.job(1).wait(WAIT) == 0
    assert run_records.state_of(jobs.record("run")).text == "ended: it was stopped before job 17 began"
    assert jobs.log("run") == ""


def test_there_is_no_next_job(jobs: Jobs) -> None:
    jobs.open("refuse")
    first = jobs.job(1, left=20.0)
    jobs.lives(1)
    jobs.open("up-1")
    first.wait(WAIT)
    assert run_records.state_of(jobs.record("run")).text == f"killed by SIGINT; {NO_OTHER}"


def test_what_a_script_leaves_on_other_machines_is_not_ended(jobs: Jobs) -> None:
    run_records.update("run", where=jobs.records, linger=90.0)
    first = jobs.job(1)
    jobs.lives(1)
    jobs.open("up-1")
    assert first.wait(WAIT) == 0
    assert "KeyboardInterrupt" not in jobs.log("run"), "it was killed"
    assert run_records.state_of(jobs.record("run")).word == "pending"


def test_a_script_that_does_not_end_in_time(jobs: Jobs) -> None:
    jobs.script(
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('life ', 1); time.sleep(1000)"
    )
    first = jobs.job(1, left=10.5)
    jobs.lives(1)
    jobs.open("up-1")
    assert first.wait(WAIT) == 0
    assert run_records.state_of(jobs.record("run")).word == "pending"


def test_a_job_that_is_run_again_by_its_batch_system(jobs: Jobs) -> None:
    first = jobs.job(1)
    jobs.lives(1)
    first.send_signal(signal.SIGTERM)
    first.wait(WAIT)
    assert run_records.state_of(jobs.record("run")).text == f"killed by SIGINT; {BY_SYSTEM}"
    again = jobs.job(1)
    jobs.lives(2)
    jobs.open()
    assert again.wait(WAIT) == 0
    assert run_records.state_of(jobs.record("run")).text == "ended with exit code 0"


def test_the_script_hears_of_the_end_of_its_job_first(jobs: Jobs) -> None:
    """A batch system tells all processes of a job, in any order."""
    first = jobs.job(1)
    jobs.lives(1)
    script = int(jobs.log("run").split()[1])
    os.kill(script, signal.SIGTERM)
    eventually(lambda: not os.path.exists(f"/proc/{script}"), "the keeper has seen its end")
    first.send_signal(signal.SIGTERM)
    first.wait(WAIT)
    assert run_records.state_of(jobs.record("run")).text == f"killed by SIGTERM; {BY_SYSTEM}"


def test_the_job_before_is_lost(jobs: Jobs) -> None:
    first = jobs.job(1)
    jobs.lives(1)
    second = jobs.job(2)
    os.kill(jobs.pid("run"), signal.SIGSTOP)
    first.kill()
    first.wait()
    assert jobs.log("run").count("life ") == 1
    os.kill(jobs.pid("run"), signal.SIGKILL)
    jobs.lives(2)
    jobs.open()
    assert second.wait(WAIT) == 0
    assert jobs.record("run").life == 2


def test_the_script_goes_with_the_process_group_of_the_job(jobs: Jobs) -> None:
    """Grid Engine ends no more than that."""
    first = jobs.job(1)
    jobs.lives(1)
    pid = jobs.pid("run")
    assert os.getpgid(pid) == os.getpgid(first.pid) == first.pid
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    eventually(lambda: not alive(pid), "the script has ended")
    assert run_records.state_of(jobs.record("run")).word == "lost"


def test_a_job_that_comes_too_late(jobs: Jobs) -> None:
    run_records.update("run", where=jobs.records, life=3)
    assert jobs.job(2).wait(WAIT) == 0
    run_records.update("run", where=jobs.records, ended=1.0, returncode=0)
    assert jobs.job(3).wait(WAIT) == 0
    assert jobs.log("run") == ""
