"""Races put on a stage: a thread is held at the moment in question while another one does what used to go wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.dataflow import flow as flow_module
from parsl_on_dask.lanes.stages import Stage
from tests.helpers import WAIT, eventually, text_of

WARM = True

pytestmark = pytest.mark.usefixtures("kernel")


@python_app
def first(x: Any) -> Any:
    return x


@python_app
def held(gate: str, x: Any = None) -> Any:
    import os
    import time

    while not os.path.exists(gate):
        time.sleep(0.002)
    return x


@python_app
def second(x: Any, log: str) -> Any:
    with open(log, "a") as file:
        file.write("x")
    return x


class Stop:
    """Holds the first thread that comes by, until it is let go."""

    def __init__(self) -> None:
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        if not self.reached.is_set():
            self.reached.set()
            assert self.go.wait(WAIT)


@contextmanager
def stopped(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch, before: bool, only: Any = None) -> Iterator[Stop]:
    """A method that holds its first caller, before or after it has done its work."""
    stop = Stop()
    real = getattr(owner, name)

    def method(*args: Any, **kwargs: Any) -> Any:
        mine = only is None or only(*args)
        if before and mine:
            stop()
        value = real(*args, **kwargs)
        if not before and mine:
            stop()
        return value

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, method)
        try:
            yield stop
        finally:
            stop.go.set()


@pytest.fixture
def lane(kernel: Any) -> Any:
    return next(iter(kernel.executors.values())).lane


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(tmp_path / "log")


@pytest.fixture(autouse=True)
def known(kernel: Any, tmp_path: Path) -> None:
    """Run times are known and shifts are open, so that calls may go ahead."""
    for _ in range(10):
        second(first(1), str(tmp_path / "warm")).result(WAIT)


@pytest.mark.parametrize("where", ["prepare", "follow"])
def test_a_call_goes_ahead_while_it_is_launched(
    where: str, lane: Any, gate: str, log: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread has packed a call to be sent ahead; meanwhile what it waits for ends, and the call is launched."""
    if not lane.remote:
        pytest.skip("nothing is sent to threads")
    leader = held(gate, 1)
    eventually(lambda: leader.task_record.stage is Stage.SENT, "the leader to be sent")
    made: list[Any] = []
    with stopped(lane, where, monkeypatch, before=where == "follow") as stop:
        maker = threading.Thread(target=lambda: made.append(second(leader, log)))
        maker.start()
        assert stop.reached.wait(WAIT)
        Path(gate).touch()
        assert leader.result(WAIT) == 1
        eventually(lambda: text_of(log) or where == "prepare", "the call to be launched")
        stop.go.set()
        maker.join(WAIT)
    assert made[0].result(WAIT) == 1
    assert first(2).result(WAIT) == 2
    assert text_of(log) == "x" and made[0].task_record.fail_count == 0


def test_a_cancelled_call_does_not_run_though_it_was_being_handed_over(
    kernel: Any, gate: str, log: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cancel()` comes when everything that the call waits for is done, and it is not with its lane yet."""
    leader = held(gate, 1)
    task = second(leader, log)
    mine = lambda self, record, *_: record is task.task_record  # noqa: E731
    with stopped(flow_module.Flow, "hand_over", monkeypatch, before=True, only=mine) as stop:
        Path(gate).touch()
        assert stop.reached.wait(WAIT)
        said = task.cancel()
        stop.go.set()
    first(leader).result(WAIT)
    if said:
        assert task.cancelled() and task.done()
    else:
        assert task.result(WAIT) == 1
    assert text_of(log) == ("" if said else "x")
    assert task.task_status() == ("failed" if said else "exec_done")


def test_cancel_after_the_lane_was_chosen(kernel: Any, gate: str, log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    leader = held(gate, 1)
    task = second(leader, log)
    mine = lambda self, record, *_: record is task.task_record  # noqa: E731
    with stopped(flow_module.Flow, "launched", monkeypatch, before=False, only=mine) as stop:
        Path(gate).touch()
        assert stop.reached.wait(WAIT)
        said = task.cancel()
        stop.go.set()
    first(leader).result(WAIT)
    assert (task.cancelled(), text_of(log)) == ((True, "") if said else (False, text_of(log)))
    if not said:
        assert task.result(WAIT) == 1 and text_of(log) == "x"


def test_a_call_that_waits_in_its_lane_is_cancelled_or_runs(kernel: Any, gate: str, log: str) -> None:
    busy = [held(gate) for _ in range(8)]
    waiting = [second(i, log) for i in range(50)]
    said = [task.cancel() for task in waiting]
    Path(gate).touch()
    for task in busy:
        task.result(WAIT)
    for task, cancelled in zip(waiting, said, strict=True):
        assert task.cancelled() if cancelled else task.result(WAIT) is not None
    assert first(1).result(WAIT) == 1
    assert len(text_of(log)) == said.count(False)


def test_many_cancel_what_many_submit(kernel: Any, log: str) -> None:
    """Whatever comes first: a call was cancelled, or it ran once."""
    made: list[Any] = []
    said: list[tuple[Any, bool]] = []
    over = threading.Event()

    def submit() -> None:
        for i in range(150):
            made.append(second(first(i), log))

    def cancel() -> None:
        at = 0
        while not over.is_set() or at < len(made):
            if at < len(made):
                said.append((made[at], made[at].cancel()))
                at += 1

    canceller = threading.Thread(target=cancel)
    canceller.start()
    makers = [threading.Thread(target=submit) for _ in range(3)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(WAIT)
    over.set()
    canceller.join(WAIT)
    for task, cancelled in said:
        if cancelled:
            assert task.cancelled()
        else:
            task.result(WAIT)
    assert first(1).result(WAIT) == 1
    assert len(text_of(log)) == sum(not cancelled for _, cancelled in said)


def test_threads_that_submit_at_once(kernel: Any) -> None:
    """Nothing is raised where calls are made, and nothing is lost."""
    barrier = threading.Barrier(8)
    errors: list[BaseException] = []
    made: list[Any] = []

    def work(n: int) -> None:
        for i in range(30):
            barrier.wait(WAIT)
            try:
                made.append((n * i, first(n * i)))
            except BaseException as e:
                errors.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert not errors
    assert all(future.result(WAIT) == value for value, future in made) and len(made) == 240


def test_two_ends_of_one_task(kernel: Any, gate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel gives up on a task in the moment in which its result comes: it ends once."""
    from parsl_on_dask.dataflow.states import States

    task = held(gate, 5)
    record = task.task_record
    with stopped(kernel.memoizer, "update_memo_result", monkeypatch, before=True) as stop:
        Path(gate).touch()
        assert stop.reached.wait(WAIT)
        kernel.flow.soon(kernel.flow.complete_failure, record, States.failed, ValueError("given up"))
        stop.go.set()
    assert isinstance(task.exception(WAIT), ValueError)
    assert first(1).result(WAIT) == 1
    assert task.task_status() == "failed" and sum(kernel.task_state_counts.values()) == kernel.task_count


def test_a_task_that_is_cancelled_while_its_retry_handler_thinks(kernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the handler says then changes nothing: the task has run, and cannot be cancelled any more."""
    asked, answer = threading.Event(), threading.Event()

    def handler(error: Exception, record: Any) -> float:
        asked.set()
        answer.wait(WAIT)
        return 0

    @python_app
    def fail() -> None:
        raise ValueError("no")

    monkeypatch.setitem(vars(kernel.config), "retry_handler", handler)
    monkeypatch.setitem(vars(kernel.config), "retries", 0)
    task = fail()
    assert asked.wait(WAIT)
    assert task.cancel() is False and not task.done()
    monkeypatch.setitem(vars(kernel.config), "retries", -1)
    answer.set()
    assert isinstance(task.exception(WAIT), ValueError)
