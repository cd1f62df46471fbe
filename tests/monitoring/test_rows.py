"""Which rows a run leaves, on every executor."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask import File, bash_app, join_app, python_app
from tests import kernels
from tests.helpers import eventually, hold
from tests.monitoring.runs import Record, when

WARM = True

INTERVAL = 0.3


@python_app
def add(a, b=1):
    return a + b


@python_app
def whoami(seconds=0.0):
    import os
    import time

    time.sleep(seconds)
    return os.getpid()


@python_app
def broken(text):
    raise ValueError(text)


@python_app
def once_broken(path):
    import os

    if not os.path.exists(path):
        open(path, "w").close()
        raise ValueError("the first time")
    return "fine"


@python_app(cache=True)
def remembered(x):
    return x


@bash_app
def busy(seconds, outputs=(), stdout=None, stderr=None):
    burn = "x=0; while [ $x -lt 200000 ]; do x=$((x+1)); done"
    return f"{burn}; sleep {seconds}; echo done > {outputs[0].filepath}"


@python_app
def read(inputs=()):
    with open(inputs[0].filepath) as file:
        return file.read()


@join_app
def joined(n):
    return [add(i) for i in range(n)]


@pytest.fixture(scope="module")
def run(
    make_config: Callable[..., Any], config_name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """A run with some of everything, and its record."""
    from parsl_on_dask.monitoring import MonitoringHub

    folder = tmp_path_factory.mktemp("monitored")
    hub = MonitoringHub(workflow_name="some of everything", resource_monitoring_interval=INTERVAL)
    before = datetime.now()
    kernel = kernels.load(make_config(run_dir=str(folder / "runinfo"), monitoring=hub, retries=1))
    calls = SimpleNamespace()
    try:
        calls.first = add(1)
        calls.second = add(2)
        calls.third = add(calls.first, b=calls.second)
        calls.slow = whoami(1.3)
        calls.broken = broken("no good")
        calls.dependent = add(calls.broken)
        calls.once_broken = once_broken(str(folder / "flag"))
        calls.busy = busy(
            1.2, outputs=[File(str(folder / "made.txt"))], stdout=str(folder / "out"), stderr=(str(folder / "err"), "w")
        )
        calls.read = read(inputs=[calls.busy.outputs[0]])
        calls.joined = joined(2)
        calls.remembered = remembered(5)
        calls.remembered.result()
        calls.again = remembered(5)
        record = Record(folder / "runinfo" / "monitoring.db", kernel.run_id)
        # while it runs
        gate = folder / "gate"
        calls.live = python_app(hold)(str(folder / "started"), str(gate))
        eventually(
            lambda: [
                row for row in record.rows("status", task_id=calls.live.tid) if row["task_status_name"] == "running"
            ],
            "the record says that a call runs",
            30,
        )
        assert record.one("task", task_id=calls.live.tid)["task_time_returned"] is None
        assert record.one("workflow")["time_completed"] is None
        pid = calls.slow.result()
        for future in vars(calls).values():
            if future is not calls.live:
                future.exception()
        if config_name == "threads":  # they are waited for
            gate.touch()
    finally:
        kernels.unload()
    gate.touch()
    yield SimpleNamespace(
        calls=calls, record=record, kernel=kernel, folder=folder, before=before, after=datetime.now(), pid=pid
    )


def test_the_run_itself(run: SimpleNamespace) -> None:
    row = run.record.one("workflow")
    assert row["workflow_name"] == "some of everything"
    assert row["host"] == socket.gethostname()
    assert row["rundir"] == run.kernel.run_dir
    assert run.before <= when(row["time_began"]) <= when(row["time_completed"]) <= run.after
    failed = [row for row in run.record.rows("status") if row["task_status_name"] == "failed"]
    done = [row for row in run.record.rows("status") if row["task_status_name"] == "exec_done"]
    assert (row["tasks_failed_count"], row["tasks_completed_count"]) == (len(failed), len(done))


def test_every_task_has_its_row(run: SimpleNamespace) -> None:
    calls, record = run.calls, run.record
    assert sorted(row["task_id"] for row in record.rows("task")) == list(range(run.kernel.task_count))
    row = record.one("task", task_id=calls.third.tid)
    assert row["task_func_name"] == "add"
    assert row["task_depends"] == f"{calls.first.tid},{calls.second.tid}"
    assert (row["task_memoize"], row["task_hashsum"]) == ("0", None)
    assert (row["task_inputs"], row["task_outputs"], row["task_stdin"]) == ("None", "None", None)
    assert (row["task_stdout"], row["task_stderr"]) == ("", "")
    assert (row["task_fail_count"], row["task_fail_cost"]) == (0, 0.0)
    assert run.before <= when(row["task_time_invoked"]) <= when(row["task_time_returned"]) <= run.after
    assert record.one("task", task_id=calls.first.tid)["task_depends"] == ""


def test_files_and_streams(run: SimpleNamespace) -> None:
    row = run.record.one("task", task_id=run.calls.busy.tid)
    assert "made.txt" in row["task_outputs"] and row["task_outputs"].startswith("[")
    assert (row["task_stdout"], row["task_stderr"]) == (str(run.folder / "out"), str(run.folder / "err"))
    row = run.record.one("task", task_id=run.calls.read.tid)
    assert row["task_depends"] == str(run.calls.busy.tid)
    assert "made.txt" in row["task_inputs"] and "Future" not in row["task_inputs"]


def test_states_of_a_task_that_works(run: SimpleNamespace) -> None:
    assert run.record.states(run.calls.first.tid) == [(0, "pending"), (0, "launched"), (0, "exec_done")]
    assert run.record.on_worker(run.calls.first.tid) == [(0, "running"), (0, "running_ended")]


def test_states_and_tries_of_a_task_that_fails(run: SimpleNamespace) -> None:
    tid = run.calls.broken.tid
    assert run.record.states(tid) == [
        (0, "pending"),
        (0, "launched"),
        (0, "fail_retryable"),
        (1, "pending"),
        (1, "launched"),
        (1, "failed"),
    ]
    assert sorted(run.record.on_worker(tid)) == [(n, name) for n in (0, 1) for name in ("running", "running_ended")]
    row = run.record.one("task", task_id=tid)
    assert (row["task_fail_count"], row["task_fail_cost"]) == (2, 2.0)
    tries = run.record.rows("try", task_id=tid)
    assert [row["try_id"] for row in tries] == [0, 1]
    for row in tries:
        assert row["task_fail_history"] == "ValueError('no good')"
        times = [row[f"task_try_time_{name}"] for name in ("launched", "running", "returned")]
        assert times[0] < times[2] and times[1] < times[2]


def test_a_second_try_may_work(run: SimpleNamespace) -> None:
    tid = run.calls.once_broken.tid
    histories = [row["task_fail_history"] for row in run.record.rows("try", task_id=tid)]
    assert histories == ["ValueError('the first time')", ""]
    assert run.record.states(tid)[-1] == (1, "exec_done")


def test_a_task_whose_dependency_fails(run: SimpleNamespace) -> None:
    tid = run.calls.dependent.tid
    assert run.record.states(tid) == [(0, "pending"), (0, "dep_fail")]
    assert run.record.on_worker(tid) == []
    row = run.record.one("try", task_id=tid)
    assert "DependencyError" in row["task_fail_history"]
    assert (row["task_try_time_launched"], row["hostname"]) == (None, None)


def test_a_result_from_the_cache(run: SimpleNamespace) -> None:
    first, again = run.calls.remembered.tid, run.calls.again.tid
    assert run.record.states(again) == [(0, "pending"), (0, "memo_done")]
    rows = [run.record.one("task", task_id=tid) for tid in (first, again)]
    assert rows[0]["task_memoize"] == "1"
    assert rows[0]["task_hashsum"] == rows[1]["task_hashsum"] is not None


def test_a_join_app(run: SimpleNamespace) -> None:
    tid = run.calls.joined.tid
    assert run.record.states(tid) == [(0, "pending"), (0, "launched"), (0, "joining"), (0, "exec_done")]
    row = run.record.one("try", task_id=tid)
    assert row["task_executor"] == "_parsl_internal"
    inner = [int(number) for number in row["task_joins"].split(",")]
    assert [run.record.one("task", task_id=number)["task_func_name"] for number in inner] == ["add", "add"]


def test_where_and_when_a_try_ran(run: SimpleNamespace, config_name: str) -> None:
    row = run.record.one("try", task_id=run.calls.slow.tid)
    assert row["task_executor"] == config_name
    assert row["hostname"] == socket.gethostname()
    assert row["block_id"] == ("0" if config_name == "processes" else None)
    began = when(row["task_try_time_running"])
    ended = [
        r for r in run.record.rows("status", task_id=run.calls.slow.tid) if r["task_status_name"] == "running_ended"
    ]
    assert timedelta(seconds=1.3) <= when(ended[0]["timestamp"]) - began


def test_resources(run: SimpleNamespace, config_name: str) -> None:
    if config_name == "threads":
        assert run.record.rows("resource") == []
        return
    rows = run.record.rows("resource", task_id=run.calls.slow.tid)
    assert {row["psutil_process_pid"] for row in rows} == {run.pid}
    assert {row["resource_monitoring_interval"] for row in rows} == {INTERVAL}
    assert len(rows) >= 4  # 1.3 s: one at the begin, one at the end, and some between
    times = [when(row["timestamp"]) for row in rows]
    assert times == sorted(times) and times[-1] - times[0] >= timedelta(seconds=1.3)
    for row in rows:
        assert 10e6 < row["psutil_process_memory_resident"] < row["psutil_process_memory_virtual"]
        assert 0 < row["psutil_process_memory_percent"] < 100
        assert row["psutil_process_status"] in ("running", "sleeping", "disk-sleep")
        assert row["psutil_process_time_user"] > 0
    for name in ("time_user", "time_system", "disk_read", "disk_write", "num_ctx_switches_voluntary"):
        values = [row[f"psutil_process_{name}"] for row in rows]
        assert values == sorted(values), name


def test_short_calls_have_a_first_and_a_last_sample(run: SimpleNamespace, config_name: str) -> None:
    if config_name != "threads":
        assert len(run.record.rows("resource", task_id=run.calls.first.tid)) == 2


def test_resources_of_what_a_bash_app_starts(run: SimpleNamespace, config_name: str) -> None:
    if config_name == "threads":
        return
    rows = run.record.rows("resource", task_id=run.calls.busy.tid)
    assert max(row["psutil_process_children_count"] for row in rows) >= 1
    first, last = rows[0], rows[-1]
    assert first["psutil_process_children_count"] == last["psutil_process_children_count"] == 0
    # the shell's loop counts, also when the shell has ended
    assert last["psutil_process_time_user"] - first["psutil_process_time_user"] > 0.05


def test_nodes_and_blocks(run: SimpleNamespace, config_name: str) -> None:
    rows = run.record.rows("node")
    assert {row["hostname"] for row in rows} == {socket.gethostname()}
    assert {row["cpu_count"] for row in rows} == {os.cpu_count()}
    assert [row["active"] for row in rows][-1] == 0 and rows[0]["active"] == 1
    assert max(row["worker_count"] for row in rows) == 2
    blocks = run.record.rows("block")
    if config_name == "processes":
        assert [row["status"] for row in blocks] == ["PENDING", "RUNNING", "SCALED_IN"]
        assert {(row["executor_label"], row["block_id"]) for row in blocks} == {("processes", "0")}
        assert all(int(row["job_id"]) > 1 for row in blocks)
        assert {row["block_id"] for row in rows} == {"0"}
    else:
        assert blocks == []


def test_what_was_cut_off_by_the_end_has_an_end(run: SimpleNamespace, config_name: str) -> None:
    end = "exec_done" if config_name == "threads" else "failed"
    assert run.record.states(run.calls.live.tid)[-1] == (0, end)
