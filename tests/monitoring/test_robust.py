"""What happens to the record when the database or the script has an accident; the workflow must not notice."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.executors import ThreadPoolExecutor
from parsl_on_dask.monitoring import MonitoringHub
from parsl_on_dask.monitoring import writer as writing
from parsl_on_dask.monitoring.errors import MonitoringHubStartError, MonitoringWarning
from tests import kernels
from tests.helpers import Script, eventually
from tests.monitoring.runs import Record


@python_app
def double(x):
    return 2 * x


@pytest.fixture(scope="module")
def config_name() -> str:
    return "threads"


@pytest.fixture
def run(tmp_path: Path, load: Callable[..., Any]) -> Callable[..., Any]:
    """A function that loads a kernel with monitoring."""

    def start(**options: Any) -> tuple[Any, Record]:
        hub = MonitoringHub(**options)
        kernel = load(run_dir=str(tmp_path / "runinfo"), monitoring=hub, executors=[ThreadPoolExecutor()])
        return kernel, Record(tmp_path / "runinfo" / "monitoring.db", kernel.run_id)

    return start


def calls(count: int = 20) -> None:
    assert [f.result(60) for f in [double(i) for i in range(count)]] == [2 * i for i in range(count)]


def recorded(record: Record) -> int:
    return len([row for row in record.rows("status") if row["task_status_name"] == "exec_done"])


def test_a_locked_database_is_waited_for(run: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    _, record = run()
    calls()
    eventually(lambda: recorded(record) == 20, "the first calls are recorded")
    blocker = sqlite3.connect(record.path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    calls()
    eventually(lambda: "cannot be written" in caplog.text, "the log says that the records wait")
    blocker.execute("ROLLBACK")
    blocker.close()
    eventually(lambda: recorded(record) == 40, "the rest is recorded when the lock is gone", 60)
    assert "is written again" in caplog.text


def test_the_begin_of_a_call_survives_a_lock(run: Callable[..., Any], tmp_path: Path, caplog: Any) -> None:
    @python_app
    def hold(gate):
        import os
        import time

        end = time.monotonic() + 60
        while not os.path.exists(gate) and time.monotonic() < end:
            time.sleep(0.01)

    _, record = run()
    eventually(lambda: len(record.rows("workflow")) == 1, "the run is recorded")
    blocker = sqlite3.connect(record.path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    held = hold(str(tmp_path / "gate"))
    eventually(lambda: "cannot be written" in caplog.text, "the log says that the records wait")
    blocker.execute("ROLLBACK")
    blocker.close()
    eventually(lambda: record.on_worker(held.tid) == [(0, "running")], "it is recorded as running", 60)
    assert record.one("try", task_id=held.tid)["task_try_time_running"] is not None
    (tmp_path / "gate").touch()
    held.result(60)
    kernels.unload()
    assert record.on_worker(held.tid) == [(0, "running"), (0, "running_ended")]


def test_a_database_that_stays_locked_costs_its_records_and_a_warning(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LAST_CHANCE", 0.5)
    _, record = run()
    eventually(lambda: len(record.rows("workflow")) == 1, "the run is recorded")
    blocker = sqlite3.connect(record.path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    calls()
    with pytest.warns(MonitoringWarning, match=r"^\d+ records of monitoring are lost") as caught:
        kernels.unload()
    assert len([w for w in caught if w.category is MonitoringWarning]) == 1
    lost = int(str(caught[0].message).split()[0])
    assert lost >= 20 * 5  # pending, launched, begun, back, done; and the nodes' and blocks' rows
    blocker.execute("ROLLBACK")
    blocker.close()
    assert recorded(record) == 0


def test_only_so_many_records_wait(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LIMIT", 50)
    _, record = run()
    eventually(lambda: len(record.rows("workflow")) == 1, "the run is recorded")
    blocker = sqlite3.connect(record.path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    calls(100)
    time.sleep(1)
    blocker.execute("ROLLBACK")
    blocker.close()
    with pytest.warns(MonitoringWarning, match="records of monitoring are lost") as caught:
        kernels.unload()
    assert len([w for w in caught if w.category is MonitoringWarning]) == 1
    # the last ones are there
    assert record.states(99)[-1] == (0, "exec_done")
    assert record.one("task", task_id=99)["task_func_name"] == "double"
    assert record.one("workflow")["tasks_completed_count"] == 100


def test_a_database_that_is_deleted_is_made_anew(run: Callable[..., Any]) -> None:
    _, record = run()
    calls()
    eventually(lambda: recorded(record) == 20, "the first calls are recorded")
    os.remove(record.path)
    calls(10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernels.unload()
    assert recorded(record) == 10
    assert record.one("workflow")["tasks_completed_count"] == 30


@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk is a small file system, which only root can mount")
def test_a_full_disk(load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LAST_CHANCE", 0.5)
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here: run as root with CAP_SYS_ADMIN")
    try:
        hub = MonitoringHub(logging_endpoint=f"sqlite:///{small}/monitoring.db")
        load(run_dir=str(tmp_path / "runinfo"), monitoring=hub, executors=[ThreadPoolExecutor()])
        calls(3000)
        with pytest.warns(MonitoringWarning, match="records of monitoring are lost"):
            kernels.unload()
        connection = sqlite3.connect(small / "monitoring.db")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM workflow").fetchone() == (1,)
        connection.close()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_texts_that_no_database_likes(run: Callable[..., Any]) -> None:
    _, record = run()

    @python_app
    def named(x):
        raise ValueError(x)

    odd = named("a\0b \udcff é")
    odd.exception()
    kernels.unload()
    history = record.one("try", task_id=odd.tid)["task_fail_history"]
    assert history.startswith("ValueError(") and "é" in history


def test_a_database_that_cannot_be_opened_is_an_error_at_load(tmp_path: Path, load: Callable[..., Any]) -> None:
    (tmp_path / "text").write_text("this is no database, whatever its name says" * 100)
    for url, word in (
        (f"sqlite:///{tmp_path}/text", "not a database"),
        (f"sqlite:///{tmp_path}/text/monitoring.db", "monitoring.db"),
    ):
        with pytest.raises(MonitoringHubStartError, match=word):
            load(monitoring=MonitoringHub(logging_endpoint=url), executors=[ThreadPoolExecutor()])
    load(executors=[ThreadPoolExecutor()])
    calls(3)


KILLED = """
import os, sys, time
import parsl_on_dask as parsl
from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.monitoring import MonitoringHub

@parsl.python_app
def double(x):
    return 2 * x

parsl.load(Config(executors=[HighThroughputExecutor(max_workers_per_node=2, address="127.0.0.1")],
    monitoring=MonitoringHub()))
for f in [double(i) for i in range(100)]:
    f.result()
time.sleep(3)
print("ready")
while True:
    for f in [double(i) for i in range(500)]:
        f.result()
"""


def test_kill_of_the_script_leaves_a_readable_database(script: Callable[..., Script]) -> None:
    run = script(KILLED)
    run.said("ready", 90)
    time.sleep(1.5)
    run.signal(signal.SIGKILL)
    run.ends()
    path = run.directory / "runinfo" / "monitoring.db"
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    record = Record(path)
    assert record.one("workflow")["time_completed"] is None
    tasks = {row["task_id"] for row in record.rows("task")}
    assert set(range(100)) <= tasks
    assert {row["task_id"] for row in record.rows("status")} <= tasks
    assert {row["task_id"] for row in record.rows("try")} <= tasks
    # the next run is recorded beside it
    text = (run.directory / "script.py").read_text().replace("while True:", "for _ in range(1):")
    again = script(text)
    shutil.copytree(run.directory / "runinfo", again.directory / "runinfo", dirs_exist_ok=True)
    assert again.ends(90) == 0, again.stderr


def test_two_runs_share_a_database(run: Callable[..., Any]) -> None:
    first, record = run(workflow_name="first")
    calls(5)
    kernels.unload()
    second, _ = run(workflow_name="second")
    calls(5)
    kernels.unload()
    both = Record(record.path)
    assert [row["workflow_name"] for row in both.rows("workflow")] == ["first", "second"]
    assert [len(both.rows("task", run_id=kernel.run_id)) for kernel in (first, second)] == [5, 5]
    assert [os.path.basename(row["rundir"]) for row in both.rows("workflow")] == ["000", "001"]
