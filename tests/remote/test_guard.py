"""What a nanny does for the clients of its worker."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.remote import guard
from parsl_on_dask.remote.journal import Journal, path_of


class Nanny:
    """A nanny whose worker is a process that sleeps."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.worker_dir, self.pid, self.name, self.worker_address = str(folder), pid, 0, "tcp://worker"
        self.removed: list[str] = []
        self.told: list[tuple[list[str], Any]] = []
        self.alive = lambda: True
        self.scheduler = SimpleNamespace(log_event=self.log_event)

    async def plugin_remove(self, name: str) -> None:
        self.removed.append(name)
        guard.leave(self, name.removeprefix("plugin-"))

    async def log_event(self, topic: list[str], msg: Any) -> None:
        assert self.alive(), "clients are told first"
        self.told.append((topic, msg))


def with_guard(nanny: Nanny, clients: list[str], then: Callable[[guard.Guard], Any]) -> None:
    async def main() -> None:
        for client in clients:
            guard.enter(nanny, client, f"plugin-{client}")
        made = guard._guards[id(nanny)]
        made.callback.stop()
        then(made)
        await asyncio.gather(*made.doing)
        for client in clients:
            guard.leave(nanny, client)

    asyncio.run(main())
    assert not guard._guards


def test_the_plugin_of_a_client_is_removed_that_left_while_the_worker_was_started(tmp_path: Path) -> None:
    nanny = Nanny(tmp_path, 0)

    def then(made: guard.Guard) -> None:
        looks = int(guard.ABSENCE / guard.LOOK)
        nanny.worker_dir = ""
        for _ in range(looks):
            made.turn()
        assert not made.doing, "there is no worker yet"
        nanny.worker_dir = str(tmp_path)
        (tmp_path / guard.CLIENTS).write_text("stays")
        for _ in range(looks - 1):
            made.turn()
        assert not made.doing
        made.turn()

    with_guard(nanny, ["stays", "left"], then)
    assert nanny.removed == ["plugin-left"]


def test_clients_are_told_before_the_worker_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "GRACE", 0.0)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as worker:
        nanny = Nanny(tmp_path, worker.pid)
        nanny.alive = lambda: worker.poll() is None  # type: ignore[assignment]
        worker_side = SimpleNamespace(
            nanny="tcp://nanny", local_directory=str(tmp_path), state=SimpleNamespace(nthreads=1)
        )
        journal = Journal(path_of(str(tmp_path), guard.NAME))
        journal.add(b"a report")
        journal.running(2**50)
        (tmp_path / guard.CLIENTS).write_text("one\nother")

        def then(made: guard.Guard) -> None:
            made.turn()
            assert not made.doing
            guard.end(nanny, 2**50)
            made.turn()
            made.turn()

        with_guard(nanny, ["one", "other"], then)
        assert worker.wait() == -signal.SIGKILL
    [(topics, message)] = nanny.told
    assert topics == ["parsl-one-ends", "parsl-other-ends"]
    assert message == {"worker": "0", "last": [2**50, [b"a report"]], "why": {"over": "kill"}}
    guard.note_clients(worker_side, [])
    assert os.listdir(tmp_path) == []
