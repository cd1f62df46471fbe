"""What is told about each block, in case the script is killed, and what is done then."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.clusters import last_will
from parsl_on_dask.clusters.block import Block
from parsl_on_dask.clusters.last_will import LastWill, Orders
from parsl_on_dask.providers import SlurmProvider


class Mine:
    """A provider of the user's own, which looks up what it knows about a job."""

    def __init__(self, note: str = "") -> None:
        self.note = note
        self.resources: dict[str, dict[str, str]] = {}
        self.lock: Any = None

    def cancel(self, job_ids: list[str]) -> list[bool]:
        with open(self.note, "a") as file:
            file.writelines(f"{job} {self.resources[job]['handle']}\n" for job in job_ids)
        return [True for _ in job_ids]


@pytest.fixture(autouse=True)
def no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarm is for a process that has nothing else to do."""
    monkeypatch.setattr(last_will.signal, "alarm", lambda seconds: 0)
    monkeypatch.setattr(last_will.signal, "signal", lambda number, handler: None)


def submitted(will: LastWill, provider: Any, folder: Path, number: int) -> Block:
    keys = folder / "nodes" / f"block-{number}.json"
    block = Block(str(number), str(folder / f"block-{number}"), str(keys))
    will.keys_are_written()
    keys.parent.mkdir(exist_ok=True)
    keys.write_text("keys")
    block.job_id = f"job{number}"
    provider.resources[block.job_id] = {"handle": f"h{number}"}
    will.add(block)
    return block


def test_what_was_not_settled_is_cancelled_and_removed(tmp_path: Path) -> None:
    note = tmp_path / "cancelled"
    orders_at_death, provider = Orders(), Mine(str(note))
    will = LastWill(provider, str(tmp_path / "nodes"), orders_at_death.received)
    blocks = [submitted(will, provider, tmp_path, number) for number in range(4)]
    will.remove(blocks[:2])
    orders_at_death.execute()
    assert note.read_text() == "job2 h2\njob3 h3\n"
    assert not (tmp_path / "nodes").exists()


def test_nothing_is_done_when_it_was_revoked_or_the_provider_cannot_travel(tmp_path: Path) -> None:
    note = tmp_path / "cancelled"
    for way in ("revoked", "stays"):
        orders_at_death, provider = Orders(), Mine(str(note))
        provider.lock = threading.Lock() if way == "stays" else None
        will = LastWill(provider, str(tmp_path / "nodes"), orders_at_death.received)
        (tmp_path / way).mkdir()
        submitted(will, provider, tmp_path / way, 0)
        if way == "revoked":
            will.revoke()
        orders_at_death.execute()
    assert not note.exists()


@pytest.mark.parametrize("make", [Mine, lambda: SlurmProvider("debug")], ids=["mine", "slurm"])
def test_the_last_of_many_blocks_costs_no_more_than_the_first(tmp_path: Path, make: Any) -> None:
    told: list[int] = []
    provider = make()
    will = LastWill(provider, str(tmp_path / "nodes"), lambda message: told.append(len(str(message))))
    sizes = []
    for number in range(200):
        told.clear()
        block = submitted(will, provider, tmp_path, number)
        will.remove([block] if number % 2 else [])
        sizes.append(sum(told))
    assert max(sizes[1:]) < 2 * min(sizes[1:]) and max(sizes[1:]) <= sizes[0]
