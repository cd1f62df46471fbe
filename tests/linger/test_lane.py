"""The lane of an executor that is kept, with a resident that answers when the test says so."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.forbidden_waits import never_wait_here
from parsl_on_dask.linger.client import ResidentGone
from parsl_on_dask.linger.lane import KeptLane


def test_where_nothing_may_wait_the_last_answer_is_taken() -> None:
    """What the resident says next may be read only when the event loop of a Dask client has done something else."""
    questions: list[Future[Any]] = []

    def question(*words: Any) -> Future[Any]:
        questions.append(Future())
        return questions[-1]

    lane = KeptLane.__new__(KeptLane)
    lane.left, lane.lost, lane.label = False, None, "kept"
    lane._last, lane._questions = {}, {}
    lane.resident = SimpleNamespace(question=question)  # type: ignore[assignment]
    with ThreadPoolExecutor(1, initializer=never_wait_here, initargs=("the loop of this test",)) as loop:
        assert loop.submit(lane.running).result(10) == {}
        assert loop.submit(lane.running).result(10) == {}
        assert len(questions) == 1
        questions[0].set_result({"app": 2})
        assert loop.submit(lane.running).result(10) == {"app": 2}
    assert len(questions) == 2


def test_a_scheduler_that_does_not_answer_is_an_error_of_the_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    def unanswered(*_: object) -> None:
        raise OSError("timed out")

    monkeypatch.setattr("parsl_on_dask.linger.lane.connected", unanswered)
    place = {"address": "tcp://127.0.0.1:1", "security": None, "started_here": True}
    resident: Any = SimpleNamespace(ask=lambda *_, **__: place, gone=None, log="runinfo/000/resident.log")
    with pytest.raises(ExecutorError, match=r"tcp://127.0.0.1:1 does not answer: timed out. The log is runinfo"):
        KeptLane(HighThroughputExecutor(label="kept"), resident)
    resident.gone = ResidentGone("it was removed")
    with pytest.raises(ResidentGone, match="removed"):
        KeptLane(HighThroughputExecutor(label="kept"), resident)


class Value:
    """A value of the script's that is on its way to Dask."""

    def __init__(self) -> None:
        self.future = self
        self.status = "pending"
        self.heard: list[Callable[[Any], None]] = []

    def add_done_callback(self, function: Callable[[Any], None]) -> None:
        self.heard.append(function)

    def comes(self) -> None:
        self.status = "finished"
        self.heard.pop()(self)


def test_a_call_is_handed_over_when_dask_has_what_it_takes() -> None:
    sent: list[Call] = []
    lane = KeptLane.__new__(KeptLane)
    lane._send = sent.append  # type: ignore[method-assign]
    one, other = Value(), Value()
    call = Call("app", None, (), {}, {}, lambda call, outcome: None, None)
    call.number, call.refs = 7, (one, other)  # type: ignore[assignment]
    lane.live = {7: call}
    lane._hand_over(call)
    one.comes()
    assert not sent
    other.comes()
    assert sent == [call]


def test_a_call_that_has_ended_meanwhile_is_not_handed_over() -> None:
    sent: list[Call] = []
    lane = KeptLane.__new__(KeptLane)
    lane._send = sent.append  # type: ignore[method-assign]
    value = Value()
    call = Call("app", None, (), {}, {}, lambda call, outcome: None, None)
    call.number, call.refs = 7, (value,)  # type: ignore[assignment]
    lane.live = {7: call}
    lane._hand_over(call)
    lane.live.clear()
    value.comes()
    assert not sent
