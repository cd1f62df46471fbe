"""The stages of a try: which moves there are, and that only one of two who race gets it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.lanes import stages
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.stages import (
    CANCEL,
    CLAIM,
    DROP,
    FINISH,
    GO,
    LAUNCH,
    MOVES,
    OVER,
    PREPARE,
    RETURN,
    SUBMIT,
    IllegalMove,
    Move,
    Stage,
)

DESIGN = Path(__file__).parents[2] / "docs" / "design.md"


def call() -> Call:
    return Call("app", print, (), {}, {}, lambda *_: None)


def after(*moves: Move) -> Stage:
    record = TaskRecord(id=0)
    for move in moves:
        assert record.step(move) is not None, move
    return record.stage


def test_a_try_from_beginning_to_end() -> None:
    assert after() is Stage.WAITING
    assert after(LAUNCH, SUBMIT, CLAIM, FINISH) is Stage.DONE
    assert after(LAUNCH, SUBMIT, CLAIM, RETURN, CLAIM, FINISH) is Stage.DONE


def test_a_try_that_goes_ahead() -> None:
    assert after(PREPARE, GO, FINISH) is Stage.EARLY
    assert after(PREPARE, GO, FINISH, SUBMIT) is Stage.DONE
    assert after(PREPARE, GO, SUBMIT, FINISH) is Stage.DONE
    assert after(PREPARE, GO, RETURN, GO, RETURN, SUBMIT) is Stage.READY
    assert after(PREPARE, GO, DROP) is Stage.DROPPED


@pytest.mark.parametrize("begun", [(LAUNCH, SUBMIT, CLAIM), (PREPARE, GO), (PREPARE, GO, FINISH)])
def test_what_a_worker_has_cannot_be_cancelled(begun: tuple[Move, ...]) -> None:
    record = TaskRecord(id=0)
    for move in begun:
        record.step(move)
    before = record.stage
    assert record.step(CANCEL) is None and record.stage is before


@pytest.mark.parametrize("begun", [(), (LAUNCH,), (LAUNCH, SUBMIT), (PREPARE,)])
def test_what_was_cancelled_never_runs(begun: tuple[Move, ...]) -> None:
    record = TaskRecord(id=0)
    for move in (*begun, CANCEL):
        record.step(move)
    for move in (LAUNCH, SUBMIT, CLAIM, GO, FINISH, RETURN, DROP, PREPARE, CANCEL):
        assert record.step(move) is None
    assert record.stage is Stage.CANCELLED


@pytest.mark.parametrize("stage", sorted(OVER))
def test_nothing_leads_out_of_the_end(stage: Stage) -> None:
    assert all(move.ends.get(stage) is None for move in MOVES)


def test_every_stage_can_be_reached_and_every_move_be_made() -> None:
    reached = {end for move in MOVES for end in move.ends.values() if end is not None}
    assert reached | {Stage.WAITING} == set(Stage)
    assert all(any(end is not None for end in move.ends.values()) for move in MOVES)


@pytest.mark.parametrize("stage, move", [(Stage.WAITING, CLAIM), (Stage.SENT, LAUNCH), (Stage.AHEAD, CLAIM)])
def test_a_move_that_does_not_exist_is_an_error(stage: Stage, move: Move) -> None:
    made = call()
    made.stage = stage
    with pytest.raises(IllegalMove, match=f"{stage.name} was to {move.name}"):
        made.step(move)
    assert made.stage is stage


def test_a_call_takes_over_the_tries_stage_or_comes_too_late() -> None:
    record, made = TaskRecord(id=0), call()
    record.step(LAUNCH)
    assert record.take(made, Stage.LAUNCHING)
    assert record.step(SUBMIT) is made.stage is record.stage is Stage.READY
    assert not record.take(call(), Stage.LAUNCHING)

    cancelled, late = TaskRecord(id=1), call()
    cancelled.step(CANCEL)
    assert not cancelled.take(late, Stage.WAITING)
    assert cancelled.stage is Stage.CANCELLED


@pytest.mark.parametrize("rivals", [(CLAIM, CANCEL), (CANCEL, CANCEL), (CLAIM, FINISH)], ids=str)
def test_one_of_those_who_race_gets_it(rivals: tuple[Move, Move]) -> None:
    for _ in range(200):
        made = call()
        made.step(SUBMIT)
        barrier = threading.Barrier(2)
        got: list[Any] = []

        def rival(move: Move, made: Call = made, barrier: Any = barrier, got: list[Any] = got) -> None:
            barrier.wait()
            got.append((move.name, made.step(move)))

        threads = [threading.Thread(target=rival, args=(move,)) for move in rivals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if FINISH not in rivals:
            assert sum(end is not None for _, end in got) == 1
        else:  # a worker may get it first and finish it
            assert made.stage is Stage.DONE


def test_whoever_holds_the_lock_sees_nothing_change() -> None:
    made = call()
    made.step(SUBMIT)
    with stages.lock:
        thread = threading.Thread(target=made.step, args=(CLAIM,))
        thread.start()
        thread.join(0.05)
        assert thread.is_alive() and made.stage is Stage.READY
    thread.join()
    assert made.stage is Stage.SENT


def test_the_table_in_the_docs_is_the_codes() -> None:
    assert stages.table() in DESIGN.read_text()
