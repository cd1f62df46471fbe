"""Task records, counts, the run directory and the lines of parsl.log."""

from __future__ import annotations

import concurrent.futures
import datetime
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, python_app
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.dataflow.states import FINAL_FAILURE_STATES, FINAL_STATES, States
from tests.helpers import WAIT, eventually, text_of

WARM = True

KEYS = [
    "dfk",
    "func_name",
    "status",
    "depends",
    "app_fu",
    "exec_fu",
    "executor",
    "fail_count",
    "fail_cost",
    "fail_history",
    "hashsum",
    "task_launch_lock",
    "func",
    "args",
    "kwargs",
    "time_invoked",
    "time_returned",
    "try_time_launched",
    "try_time_returned",
    "memoize",
    "ignore_for_cache",
    "from_memo",
    "id",
    "try_id",
    "resource_specification",
    "join",
    "joins",
    "join_lock",
]


@python_app
def value(x: Any) -> Any:
    return x


@python_app
def fail() -> None:
    raise ValueError("failed")


@python_app(cache=True)
def cached(x: Any) -> Any:
    return x


def test_the_record_of_a_call(load: Callable[..., Any], config_name: str) -> None:
    kernel = load()
    before = datetime.datetime.now()
    first: concurrent.futures.Future[int] = concurrent.futures.Future()
    second = value(2)
    future = python_app(lambda a, b=0: a + b, ignore_for_cache=[])(first, b=second)
    assert set(future.task_record["depends"]) == {first, second}
    first.set_result(1)
    assert future.result(WAIT) == 3
    record = future.task_record
    missing = [key for key in KEYS if key not in record]
    assert not missing
    assert record["id"] == record.id == 1
    assert record["func_name"] == record.func_name == "<lambda>"
    assert record["status"] is record.status is States.exec_done
    assert record["executor"] == config_name
    assert record["app_fu"] is future
    assert record["dfk"] is kernel
    assert record["fail_count"] == 0 and record["fail_history"] == [] and record["fail_cost"] == 0
    assert record["try_id"] == 0 and record["memoize"] is False and record["join"] is False
    times = [record[k] for k in ("time_invoked", "try_time_launched", "try_time_returned", "time_returned")]
    assert times == sorted(times)
    assert before <= times[0] and times[-1] <= datetime.datetime.now()
    assert all(t.tzinfo is None for t in times)


def test_counts(load: Callable[..., Any]) -> None:
    kernel = load(retries=0)
    assert kernel.task_count == 0
    good = [value(i) for i in range(7)]
    bad = [fail() for _ in range(2)]
    after = value(bad[0])
    concurrent.futures.wait([*good, *bad, after], WAIT)
    assert cached(1).result(WAIT) == cached(1).result(WAIT) == 1
    assert kernel.task_count == 12
    counts = kernel.task_state_counts
    assert counts[States.exec_done] == 8
    assert counts[States.failed] == 2
    assert counts[States.dep_fail] == 1
    assert counts[States.memo_done] == 1
    assert counts[States.pending] == counts[States.launched] == 0


def test_records_leave_the_kernel_when_done(load: Callable[..., Any]) -> None:
    kernel = load()
    blocker: concurrent.futures.Future[int] = concurrent.futures.Future()
    waiting = value(blocker)
    assert waiting.task_status() == "pending"
    assert kernel.tasks[waiting.tid]["app_fu"] is waiting
    assert value(1).result(WAIT) == 1
    assert list(kernel.tasks) == [waiting.tid]
    blocker.set_result(1)
    waiting.result(WAIT)
    assert not kernel.tasks


def test_a_memoizer_finds_the_future_in_a_record_that_it_has_kept(load: Callable[..., Any]) -> None:
    class Keeping(BasicMemoizer):
        def check_memo(self, task: Any) -> None:
            kept.append(task)

    kept: list[Any] = []
    load(memoizer=Keeping())
    future = value(1)
    assert future.result(WAIT) == 1
    assert kept[0]["app_fu"] is future


def test_records_are_kept_without_garbage_collection(load: Callable[..., Any]) -> None:
    kernel = load(garbage_collect=False)
    futures = [value(i) for i in range(5)] + [fail()]
    concurrent.futures.wait(futures, WAIT)
    assert sorted(kernel.tasks) == list(range(6))
    assert [kernel.tasks[i].status for i in range(6)] == [States.exec_done] * 5 + [States.failed]


@python_app
def pair(xs: Any, scale: int = 1) -> Any:
    return [x * scale for x in xs]


def test_small_arguments_stay_with_the_record(load: Callable[..., Any]) -> None:
    load()
    futures = [pair([i, i + 1], scale=2) for i in range(4)]
    after = pair(futures[0])
    for i, future in enumerate(futures):
        assert future.result(WAIT) == [2 * i, 2 * i + 2]
        assert future.task_record["args"] == ([i, i + 1],) and future.task_record["kwargs"] == {"scale": 2}
    assert after.result(WAIT) == [0, 2]
    assert after.task_record["args"] == ([0, 2],) and after.task_record["depends"] == [futures[0]]
    assert value(7).task_record.copy()["args"] == (7,)


def test_large_arguments_are_not_kept_and_those_on_workers_are_fetched(load: Callable[..., Any]) -> None:
    load()
    text = value("x" * 200_000)
    wide = python_app(lambda n: b"w" * n)(200_000)
    size = python_app(len)(wide)
    assert size.result(WAIT) == 200_000 and len(text.result(WAIT)) == 200_000
    # bytes cannot be referred to weakly, so on threads they are gone
    assert "released, a str" in repr(text.task_record["args"][0])
    shown = size.task_record["args"][0]
    assert shown == b"w" * 200_000 or "released" in repr(shown)
    del wide
    eventually(lambda: "released" in repr(size.task_record["args"][0]), "nobody has the value any more")
    assert size.task_record["depends"] == []
    with pytest.raises(ReferenceError, match="garbage_collect=False"):
        len(size.task_record["args"][0])


def test_the_future_resolves_last(load: Callable[..., Any]) -> None:
    """Counters and dfk.tasks are up to date when a callback runs."""
    kernel = load()
    seen: list[Any] = []
    future = value(1)
    future.add_done_callback(
        lambda f: seen.append((f.tid in kernel.tasks, kernel.task_state_counts[States.exec_done], f.task_status()))
    )
    future.result(WAIT)
    eventually(lambda: seen, "the callback ran")
    assert seen == [(False, 1, "exec_done")]


def test_states() -> None:
    numbers = {"pending": 0, "running": 2, "exec_done": 3, "failed": 4, "dep_fail": 5, "launched": 7}
    numbers |= {"fail_retryable": 8, "memo_done": 9, "joining": 10, "running_ended": 11}
    assert {s.name: s.value for s in States} == numbers
    assert str(States.exec_done) == "States.exec_done"
    assert set(FINAL_STATES) == {States.exec_done, States.memo_done, States.failed, States.dep_fail}
    assert set(FINAL_FAILURE_STATES) == {States.failed, States.dep_fail}


def test_a_running_call_is_launched(load: Callable[..., Any], tmp_path: Path, gate: str) -> None:
    from tests.helpers import hold

    load()
    future = python_app(hold)(str(tmp_path / "started"), gate)
    eventually((tmp_path / "started").exists, "it runs")
    assert future.task_status() in ("launched", "running")
    assert future.task_record["time_returned"] is None
    Path(gate).touch()
    future.result(WAIT)


def test_run_directories_are_numbered(load: Callable[..., Any], tmp_path: Path) -> None:
    base = tmp_path / "runs"
    kernel = load(run_dir=str(base))
    assert kernel.run_dir == str(base / "000") and os.path.isabs(kernel.run_dir)
    parsl.clear()
    (base / "041").mkdir()
    (base / "a stray file").touch()
    assert load(run_dir=str(base)).run_dir == str(base / "042")


def test_the_log(load: Callable[..., Any], config_name: str) -> None:
    kernel = load(retries=1)
    log = Path(kernel.run_dir) / "parsl.log"
    ok, bad = value(1), fail()
    concurrent.futures.wait([ok, bad], WAIT)
    parsl.clear()
    text = log.read_text()
    for line in (
        f"Task {ok.tid} submitted for App value, not waiting on any dependency",
        f"Parsl task {ok.tid} try 0 launched on executor {config_name}",
        f"Task {ok.tid} changing state from pending to launched",
        f"Task {ok.tid} changing state from launched to exec_done",
        f"Task {bad.tid} submitted for App fail, not waiting on any dependency",
        f"Parsl task {bad.tid} try 1 launched on executor {config_name}",
        f"Task {bad.tid} changing state from launched to fail_retryable",
        f"Task {bad.tid} changing state from fail_retryable to pending",
        f"Task {bad.tid} changing state from launched to failed",
    ):
        assert line in text, line
    assert all(re.match(r"\d+\.\d+ ", line) for line in text.splitlines() if line.endswith("launched on executor"))
    assert re.match(r"\d{10}\.\d+ ", text), "begins with seconds since 1970"


def test_the_configuration_is_logged(load: Callable[..., Any], config_name: str) -> None:
    kernel = load(retries=1)
    text = eventually(lambda: text_of(f"{kernel.run_dir}/parsl.log"), "the log")
    assert "Config(" in text and "retries=1" in text and f"label='{config_name}'" in text


def test_no_log(load: Callable[..., Any]) -> None:
    kernel = load(initialize_logging=False)
    assert value(1).result(WAIT) == 1
    assert not (Path(kernel.run_dir) / "parsl.log").exists()


def test_handlers_are_removed_again(load: Callable[..., Any]) -> None:
    before = list(logging.getLogger("parsl").handlers)
    load()
    assert len(logging.getLogger("parsl").handlers) > len(before)
    value(1).result(WAIT)
    parsl.clear()
    assert logging.getLogger("parsl").handlers == before


def test_records_go_to_loggers_named_parsl_with_extras(
    load: Callable[..., Any], caplog: pytest.LogCaptureFixture, config_name: str
) -> None:
    load()
    with caplog.at_level(logging.DEBUG, logger="parsl"):
        future = value(1)
        future.result(WAIT)
    ours = [r for r in caplog.records if r.name.startswith("parsl")]
    assert ours
    assert not [r for r in caplog.records if r.name.startswith("parsl_on_dask")]
    tying = [r for r in ours if hasattr(r, "parsl.task") and hasattr(r, "parsl.executor")]
    assert [(str(getattr(r, "parsl.task")), getattr(r, "parsl.executor")) for r in tying] == [
        (str(future.tid), config_name)
    ]


def test_streams_and_files_of_ones_own(load: Callable[..., Any], tmp_path: Path) -> None:
    import io

    stream, file = io.StringIO(), tmp_path / "my.log"
    undo = [parsl.set_stream_logger(stream=stream), parsl.set_file_logger(str(file))]
    load(initialize_logging=False)
    first = value(1)
    first.result(WAIT)
    line = f"Task {first.tid} changing state from launched to exec_done"
    eventually(lambda: line in stream.getvalue() and line in text_of(file), "both loggers got the line")
    for function in undo:
        function()
    length = len(stream.getvalue())
    value(2).result(WAIT)
    assert len(stream.getvalue()) == length


def test_log_task_states(load: Callable[..., Any]) -> None:
    kernel = load()
    concurrent.futures.wait([value(1), fail()], WAIT)
    kernel.log_task_states()
    parsl.clear()
    text = text_of(f"{kernel.run_dir}/parsl.log")
    assert "exec_done: 1" in text and "failed: 1" in text


def test_std_autopath(load: Callable[..., Any], tmp_path: Path) -> None:
    load(std_autopath=lambda record, kind: str(tmp_path / f"{record['func_name']}-{record['id']}-{kind}"))

    @bash_app
    def speak(stdout: Any = parsl.AUTO_LOGNAME, stderr: Any = parsl.AUTO_LOGNAME) -> str:
        return "echo out; echo err >&2"

    future = speak()
    assert (future.stdout, future.stderr) == (str(tmp_path / "speak-0-stdout"), str(tmp_path / "speak-0-stderr"))
    assert future.result(WAIT) == 0
    assert text_of(future.stdout) == "out\n" and text_of(future.stderr).endswith("err\n")


def test_folders_of_automatic_names_hold_ten_thousand(load: Callable[..., Any]) -> None:
    kernel = load()
    kernel.task_count = 12_344

    @bash_app
    def speak(stdout: Any = parsl.AUTO_LOGNAME) -> str:
        return "echo out"

    future = speak()
    future.result(WAIT)
    name = f"task_{future.tid:04d}_speak.stdout"
    assert future.stdout == f"{kernel.run_dir}/task_logs/{future.tid // 10_000:04d}/{name}"
