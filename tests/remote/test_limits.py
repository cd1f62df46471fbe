"""The side of whoever keeps the workers: which workers are ended, and for what."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.remote import limits
from parsl_on_dask.remote.journal import Journal, end_call
from parsl_on_dask.remote.limits import Limits


class World:
    """One worker, a clock, and what is done to the worker."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.used, self.signals, self.at_stop = 100.0, 0, [], lambda: None
        self.path = str(folder / "worker.journal")
        self.journal = Journal(self.path)
        self.limits = Limits(clock=lambda: self.now)
        monkeypatch.setattr(limits, "memory_of", lambda pid: self.used)
        monkeypatch.setattr(os, "kill", self.kill)

    def kill(self, pid: int, number: int) -> None:
        assert pid == 7
        self.signals.append(number)
        if number == signal.SIGSTOP:
            self.at_stop()

    def look(self) -> dict[str, Any]:
        self.limits.look({7: self.path})
        return self.limits.reason(7)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_deadline(world: World) -> None:
    world.journal.limit_time(110.0, 9.0)
    assert not world.look() and not world.signals, "no call runs"
    world.journal.running(3)
    world.now = 109.9
    assert not world.look() and not world.signals
    world.now = 110.1
    assert world.look() == {"over": "walltime", "allowed": 9.0}
    assert world.signals == [signal.SIGSTOP, signal.SIGKILL]


def test_the_next_call_does_not_pay(world: World) -> None:
    """The call ends between the look and the end of its worker."""
    world.journal.running(3)
    world.journal.limit_time(110.0, 9.0)
    world.now = 110.1
    world.at_stop = lambda: world.journal.running(4)
    assert not world.look() and world.signals == [signal.SIGSTOP, signal.SIGCONT]


def test_the_call_settles_in_the_last_moment(world: World) -> None:
    world.journal.running(3)
    world.journal.limit_time(110.0, 9.0)
    world.now = 110.1
    world.at_stop = lambda: world.journal.limit_time(0.0, 0.0)
    assert not world.look() and world.signals == [signal.SIGSTOP, signal.SIGCONT]


def test_memory_of_the_call_and_of_all_calls(world: World) -> None:
    world.journal.running(3)
    world.used = 500
    assert not world.look()
    world.journal.limit_memory(400)
    assert world.look() == {"over": "memory", "allowed": 400, "used": 500}
    world.journal.limit_memory(0)
    world.limits.memory = 450
    assert world.look() == {"over": "memory", "allowed": 450, "used": 500}
    world.journal.running(0)
    assert not world.look(), "what an idle worker has is no call's"


def test_a_call_that_nobody_wants(world: World) -> None:
    end_call(world.path, 3)
    assert not world.look(), "it does not run"
    world.journal.running(3)
    assert world.look() == {"over": "kill"}
    world.journal.running(4)
    assert not world.look(), "the next one is wanted"
    world.journal.end(4)
    assert world.look() == {"over": "kill"}


def test_a_worker_without_a_journal_yet(world: World) -> None:
    world.limits.look({7: world.path + ".missing"})
    Path(world.path + ".empty").touch()
    world.limits.look({7: world.path + ".empty"})
    assert not world.signals


def test_workers_that_are_gone_are_forgotten(world: World) -> None:
    world.limits.look({7: world.path})
    world.limits.look({})
    assert not world.limits.readers


def test_memory_is_that_of_this_process_and_its_children() -> None:
    before = limits.memory_of(os.getpid())
    assert before > 2**20
    held = bytearray(b"x" * (64 * 2**20))
    assert limits.memory_of(os.getpid()) > before + 50 * 2**20
    assert held and limits.memory_of(2**30) == 0
    assert limits.kills_for_memory() >= 0
