"""Steps of the flow that come too late, or go wrong: with a kernel that only notes what it is told."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.common.states import FINAL_STATES, States
from parsl_on_dask.dataflow.flow import Flow
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.stages import CANCEL, LAUNCH, SUBMIT, Stage


class Kernel:
    """As much of a kernel as the flow uses."""

    def __init__(self) -> None:
        self.config = SimpleNamespace(
            trace=False, retries=0, retry_handler=None, fail_fast=False, garbage_collect=False, std_autopath=None
        )
        self.executors: dict[str, Any] = {}
        self.callbacks = SimpleNamespace(busy=False)
        self.tasklog = SimpleNamespace(launched=lambda *_: None)
        self.watch = None
        self.memo: Any = None
        self.held: Any = None
        self.forgotten: list[Any] = []
        self.memoizer = SimpleNamespace(
            check_memo=lambda record: self.memo,
            update_memo_result=lambda record, value: self.note(value),
            update_memo_exception=lambda record, error: self.note(error),
        )

    def note(self, what: Any) -> Any:
        if isinstance(self.held, BaseException):
            raise self.held
        return self.held

    def set_state(self, record: TaskRecord, state: States) -> bool:
        if record.status in FINAL_STATES:
            return False
        record.status = state
        return True

    def forget(self, record: TaskRecord) -> None:
        self.forgotten.append(record)

    def labels(self) -> list[str]:
        return list(self.executors)


class Lane:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.dropped: list[Call] = []
        self.withdrawn: list[Call] = []
        self.kill = self.submit

    def submit(self, call: Call) -> bool:
        self.calls.append(call)
        return True

    def drop(self, call: Call) -> None:
        self.dropped.append(call)

    def withdraw(self, call: Call) -> None:
        self.withdrawn.append(call)


class OfFuture(Future):  # type: ignore[type-arg]
    """The future of a task."""

    def forget_callbacks(self) -> None:
        pass

    def end_cancelled(self) -> None:
        super().cancel()


class Scene:
    """A flow, and what has failed in it."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.flow = Flow(self.kernel)  # type: ignore[arg-type]
        self.failed: list[Any] = []
        self.flow.retries = SimpleNamespace(  # type: ignore[assignment]
            failed=lambda record, error: self.failed.append(error), stop=lambda *_: self.failed.append("stop")
        )
        self.lane = Lane()
        ours = SimpleNamespace(lane=self.lane, refusal=lambda: None, option_keys=())
        self.submitted: list[Any] = []
        theirs = SimpleNamespace(submit=self.submit)
        self.kernel.executors = {"ours": ours, "theirs": theirs}

    def submit(self, function: Any, spec: Any, *args: Any, **kwargs: Any) -> Any:
        self.submitted.append(Future())
        return self.submitted[-1]

    def task(self, executor: str = "ours") -> TaskRecord:
        record = TaskRecord(
            id=0, func_name="app", func=max, args=(1, 2), kwargs={}, executor=executor, status=States.pending
        )
        record.app_fu = OfFuture()
        record.join, record.resource_specification = False, None
        return record


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize("executor", ["ours", "theirs"])
def test_what_was_cancelled_is_not_handed_over(scene: Scene, executor: str) -> None:
    record = scene.task(executor)
    record.step(CANCEL)
    scene.flow.launch(record)
    hand_over = scene.flow.hand_over
    scene.flow.hand_over = lambda record, *rest: (record.step(CANCEL), hand_over(record, *rest))  # type: ignore
    scene.flow.launch(scene.task(executor))
    ended = scene.task(executor)
    ended.status = States.failed
    scene.flow.launch(ended)
    assert not scene.submitted and not scene.lane.calls and not scene.failed


def test_a_task_that_has_ended_meanwhile_is_not_handed_over(scene: Scene) -> None:
    record = scene.task()
    scene.kernel.set_state = lambda record, state: False  # type: ignore[method-assign]
    scene.flow.launch(record)
    assert not scene.lane.calls


def test_the_outcome_of_another_try_is_of_no_interest(scene: Scene) -> None:
    record = scene.task()
    scene.flow.launch(record)
    [call] = scene.lane.calls
    other = Call("app", max, (), {}, {}, print)
    scene.flow.returned(record, other, Outcome(value=3))
    assert not record.app_fu.done()
    scene.flow.returned(record, call, Outcome(value=2))
    assert record.app_fu.result() == 2 and record.status is States.exec_done
    record.current_try = call
    scene.flow.returned(record, call, Outcome(error=OSError()))
    assert record.app_fu.result() == 2 and not scene.failed


def test_the_first_end_of_a_task_counts(scene: Scene) -> None:
    record = scene.task()
    scene.flow.complete(record, States.exec_done, 1)
    scene.flow.complete(record, States.exec_done, 2)
    scene.flow.complete_failure(record, States.failed, OSError())
    scene.flow.conclude(record, States.exec_done, 3)
    known: Any = Future()
    known.set_result(4)
    scene.flow.reuse(record, known)
    assert record.app_fu.result() == 1 and scene.kernel.forgotten == [record]
    assert not scene.flow.cancel(record) and not scene.flow.kill(record)


@pytest.mark.parametrize("error", [OSError("full"), SystemExit(3)])
def test_a_memoizer_that_fails_keeps_no_result_back(scene: Scene, error: BaseException) -> None:
    scene.kernel.held = error
    good, bad = scene.task(), scene.task()
    scene.flow.complete(good, States.exec_done, 1)
    scene.flow.complete_failure(bad, States.failed, ValueError("mine"))
    assert good.app_fu.result() == 1 and isinstance(bad.app_fu.exception(), ValueError)


def test_a_result_is_seen_when_it_is_recorded(scene: Scene) -> None:
    for ending in (lambda f: f.set_result(None), lambda f: f.set_exception(OSError("lost"))):
        record = scene.task()
        scene.kernel.held = held = Future()
        scene.flow.complete(record, States.exec_done, 1)
        assert not record.app_fu.done()
        ending(held)
        assert record.app_fu.done() is not bool(scene.failed)
    assert isinstance(scene.failed[0], OSError)


def test_with_fail_fast_the_first_failure_ends_the_others(scene: Scene) -> None:
    scene.flow.complete_failure(scene.task(), States.failed, OSError())
    assert not scene.failed
    scene.kernel.config.fail_fast = True
    scene.flow.complete_failure(scene.task(), States.failed, OSError())
    assert scene.failed == ["stop"]


def test_a_task_that_cannot_be_moved_on_ends_all_the_same(scene: Scene) -> None:
    record = scene.task()
    scene.flow.broken(record, OSError("a"))
    assert isinstance(record.app_fu.exception(), OSError)
    record = scene.task()
    scene.kernel.forget = None  # type: ignore[method-assign,assignment]
    scene.flow.broken(record, OSError("b"))
    assert str(record.app_fu.exception()) == "b"
    scene.flow.complete_failure = None  # type: ignore[method-assign,assignment]
    scene.flow.broken(record, OSError("c"))
    assert str(record.app_fu.exception()) == "b"


def test_an_equal_call_that_was_cancelled_leaves_the_other_to_run(scene: Scene) -> None:
    record = scene.task()
    scene.kernel.memo = known = Future()
    scene.flow.launch(record)
    assert record.from_memo and not scene.lane.calls
    scene.kernel.memo = None
    known.cancel()
    assert len(scene.lane.calls) == 1 and record.exec_fu is None and not record.from_memo
    for ending, failed in ((lambda f: f.set_result(5), False), (lambda f: f.set_exception(OSError()), True)):
        record = scene.task()
        scene.kernel.memo = known = Future()
        scene.flow.launch(record)
        ending(known)
        assert (len(scene.failed) > 0) is failed
        assert failed or (record.app_fu.result() == 5 and record.status is States.memo_done)


def test_cancelling(scene: Scene) -> None:
    record = scene.task()
    assert scene.flow.cancel(record) and record.app_fu.cancelled() and record.status is States.failed
    assert scene.flow.cancel(record), "it is"

    ready = scene.task()
    scene.flow.launch(ready)
    ready.step(SUBMIT)
    [call] = scene.lane.calls
    assert scene.flow.cancel(ready, OSError("instead"))
    assert isinstance(ready.app_fu.exception(), OSError) and scene.lane.withdrawn == [call]

    lost = scene.task()
    scene.flow.launch(lost)
    lost.step(SUBMIT)
    scene.lane.calls[-1].uncharged = 1
    assert not scene.flow.cancel(lost), "it may have been begun"
    assert not scene.flow.kill(lost) and len(scene.lane.calls) == 2

    runs = scene.task()
    scene.flow.launch(runs)
    call = scene.lane.calls[-1]
    call.stage = Stage.SENT
    assert not scene.flow.cancel(runs)
    assert scene.flow.kill(runs) and scene.lane.calls[-1] is call and len(scene.lane.calls) == 4

    launching = scene.task()
    launching.step(LAUNCH)
    assert scene.flow.kill(launching) and launching.app_fu.cancelled()


def test_the_outcome_of_somebody_elses_executor(scene: Scene) -> None:
    class RemoteExceptionWrapper:
        def __init__(self, error: Any) -> None:
            self.error = error

        def reraise(self) -> None:
            if self.error is not None:
                raise self.error

    wrapped, harmless, other = RemoteExceptionWrapper(KeyError()), RemoteExceptionWrapper(None), SimpleNamespace()
    other.reraise = None
    for outcome, kind in ((5, None), (OSError(), OSError), (wrapped, KeyError), (harmless, None), (other, None)):
        record = scene.task("theirs")
        scene.flow.launch(record)
        future = scene.submitted[-1]
        assert record.exec_fu is future and record.status is States.launched
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        if kind is None:
            assert record.app_fu.result() is outcome
        else:
            assert type(scene.failed.pop()) is kind
    assert not scene.failed


def test_an_executor_that_nobody_loaded(scene: Scene) -> None:
    scene.flow.launch(scene.task("gone"))
    assert "requested invalid executor gone: the loaded Config has 'ours', 'theirs'" in str(scene.failed[0])
