"""What a resident does with outcomes when a disk is full, a script is slow, or a value cannot be had."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.lanes.call import Call, Outcome, Pickled
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.linger.calls import Calls
from parsl_on_dask.linger.recorder import Recorder
from parsl_on_dask.linger.visits import Visit
from parsl_on_dask.remote.packing import dumps


class Lane:
    """Keeps the calls that it is given."""

    label = "htex"

    def __init__(self) -> None:
        self.given: list[Call] = []

    def submit(self, call: Call) -> None:
        self.given.append(call)


class Desk:
    """Calls of a resident with one lane, and what its script was told."""

    def __init__(self, directory: Path) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.lane = Lane()
        executor = type("Executor", (), {"lane": self.lane})()
        self.recorder = Recorder(str(directory / "checkpoint"))
        self.calls = Calls(
            {"htex": executor},
            self.recorder,
            lambda *message: self.told.append(message),
            lambda function, *arguments: function(*arguments),
        )
        self.visit: Any = Visit.__new__(Visit)

    def call(self, number: int, key: str, label: str = "htex") -> None:
        about = ("app", "name", ())
        function = ("key of the function", b"its pickle")
        self.visit.functions = type("Known", (), {"add": lambda *_: None})()
        self.calls.take(self.visit, number, label, "app", function, b"payload", (), {}, (False, False), key, about)


KEY = "0" * 31 + "1"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def done(desk: Desk, outcome: Outcome) -> None:
    call = desk.lane.given.pop()
    call.done(call, outcome)


def ended_unheard(desk: Desk) -> None:
    """A call returns 42 while no script is here, and the next life of the script makes it again."""
    desk.call(1, KEY)
    desk.calls.left()
    done(desk, Outcome(Pickled(dumps(42))))
    desk.calls.came()
    desk.call(1, KEY)


def test_a_value_is_recorded_before_the_script_hears_of_it(desk: Desk) -> None:
    desk.call(1, KEY)
    done(desk, Outcome(Pickled(dumps(42))))
    assert desk.told == [("done", 1, "value", dumps(42), ("", "", 0.0, 0.0), True)]
    assert desk.recorder.get(KEY) == dumps(42)


def test_a_value_of_which_nobody_heard_comes_from_the_disk(desk: Desk) -> None:
    ended_unheard(desk)
    assert not desk.lane.given
    assert desk.told == [("done", 1, "value", dumps(42), ("", "", 0.0, 0.0), True)]


def test_on_a_full_disk_a_value_is_kept_here(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(desk.recorder._recording, "put_pickled", full)
    ended_unheard(desk)
    assert not desk.lane.given
    assert desk.told == [("done", 1, "value", dumps(42), ("", "", 0.0, 0.0), False)]


def test_a_record_that_has_gone_is_told_and_the_call_runs_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.call(1, KEY)
    desk.calls.left()
    done(desk, Outcome(Pickled(dumps(42))))
    monkeypatch.setattr(desk.recorder, "get", lambda _: None)
    desk.calls.came()
    desk.call(1, KEY)
    assert desk.told == [("again", 1)]
    desk.call(1, KEY)
    assert len(desk.lane.given) == 1


def test_a_call_of_an_executor_that_is_not_here_fails(desk: Desk) -> None:
    desk.call(1, KEY, label="other")
    [(kind, number, what, _, _)] = desk.told
    assert (kind, number, what) == ("done", 1, "failed")


def test_calls_without_a_key_that_wait_are_dropped_when_a_script_comes_back(desk: Desk) -> None:
    desk.lane.withdraw = lambda call: desk.lane.given.remove(call)  # type: ignore[attr-defined]
    from parsl_on_dask.lanes.stages import CLAIM, SUBMIT

    desk.call(1, "")
    desk.call(2, "")
    waiting, running = desk.lane.given
    waiting.step(SUBMIT)
    running.step(SUBMIT)
    running.step(CLAIM)
    desk.calls.left()
    desk.calls.came()
    assert desk.lane.given == [running]
    done(desk, Outcome(Pickled(dumps(42))))
    assert not desk.told


def test_a_call_that_its_lane_refuses_fails_and_is_forgotten(desk: Desk) -> None:
    def refuse(_: Call) -> None:
        raise RuntimeError("no more calls")

    desk.lane.submit = refuse  # type: ignore[method-assign]
    desk.call(1, KEY)
    assert [message[:3] for message in desk.told] == [("done", 1, "failed")]
    assert not desk.calls.table.works()


def test_a_large_value_that_nobody_waits_for_is_let_go(desk: Desk) -> None:
    future = type("Future", (), {"key": "key"})()
    awaited, dropped = (RemoteValue("htex", object(), future, None, 10) for _ in range(2))  # type: ignore[arg-type]
    ends = [weakref.ref(awaited), weakref.ref(dropped)]
    desk.call(1, "")
    done(desk, Outcome(awaited))
    assert [message[:3] for message in desk.told] == [("done", 1, "kept")]
    desk.call(2, "")
    desk.calls.table.left()
    done(desk, Outcome(dropped))
    del awaited, dropped
    gc.collect()
    assert [end() is None for end in ends] == [False, True]


def test_a_large_value_is_on_its_way_to_the_disk_before_the_script_hears_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script may end everything as soon as it hears, and the end waits for what is on its way."""
    order: list[str] = []
    writing: Future[Any] = Future()

    def keep_on_worker(*_: Any) -> Future[Any]:
        order.append("on its way")
        return writing

    monkeypatch.setattr("parsl_on_dask.lanes.value_files.keep_on_worker", keep_on_worker)
    desk.calls._tell = lambda *message: order.append(message[2])
    value = RemoteValue("htex", object(), type("Future", (), {"key": "key"})(), None, 10)  # type: ignore[arg-type]
    desk.call(1, KEY)
    done(desk, Outcome(value))
    assert order == ["on its way", "kept"]
    writing.set_exception(OSError("no space"))
    desk.recorder.settle()
