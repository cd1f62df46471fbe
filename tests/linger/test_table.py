"""What a resident knows of calls, step by step."""

from __future__ import annotations

from typing import Any

import pytest

from parsl_on_dask.linger import table
from parsl_on_dask.linger.table import ERROR, FAILED, KEPT, RECORDED, VALUE, Table, Work

ABOUT = ("app", "name", ())


class Desk:
    """A table, and what its script was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, Any]] = []
        self.table = Table(lambda number, _, outcome: self.sent.append((number, outcome)))

    def new(self, number: int, key: str = "") -> Work:
        work, outcome = self.table.take(number, "htex", key, ABOUT)
        assert work is not None
        assert outcome is None
        return work

    def joins(self, number: int, key: str, label: str = "htex") -> Any:
        work, outcome = self.table.take(number, label, key, ABOUT)
        assert work is None
        return outcome


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_outcome_goes_to_the_script_that_waits_for_it(desk: Desk) -> None:
    work = desk.new(1, "k")
    desk.table.ended(work, (VALUE, b"v", (), True))
    assert desk.sent == [(1, (VALUE, b"v", (), True))]
    assert not desk.table.works()
    assert not desk.table.unheard()


def test_an_equal_call_of_the_next_life_joins_the_one_that_is_here(desk: Desk) -> None:
    work = desk.new(1, "k")
    desk.table.left()
    desk.table.came()
    assert desk.joins(7, "k") is None
    desk.table.ended(work, (VALUE, b"v", (), True))
    assert desk.sent == [(7, (VALUE, b"v", (), True))]
    assert (desk.table.joined, desk.table.new) == (1, 0)


def test_an_outcome_that_nobody_heard_is_kept_for_the_next_life(desk: Desk) -> None:
    value, error = desk.new(1, "v"), desk.new(2, "e")
    desk.table.left()
    desk.table.ended(value, (VALUE, b"v", (), True))
    desk.table.ended(error, (ERROR, b"e", ()))
    assert desk.table.unheard() == 2
    desk.table.came()
    assert desk.joins(7, "v") is RECORDED
    assert desk.joins(8, "e") == (ERROR, b"e", ())
    assert desk.new(9, "e")  # what was heard is not kept: a further try runs


def test_a_failure_of_the_cluster_runs_again_in_the_next_life(desk: Desk) -> None:
    work = desk.new(1, "k")
    desk.table.left()
    desk.table.ended(work, (FAILED, b"worker lost", ()))
    desk.table.came()
    assert desk.new(7, "k")


def test_a_value_that_a_full_disk_refused_is_kept_here(desk: Desk) -> None:
    work = desk.new(1, "k")
    desk.table.left()
    desk.table.ended(work, (VALUE, b"v", (), False))
    desk.table.came()
    assert desk.joins(7, "k") == (VALUE, b"v", (), False)


def test_what_is_kept_here_has_a_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "UNHEARD", 100)
    works = [desk.new(n, f"k{n}") for n in range(3)]
    desk.table.left()
    for work in works:
        desk.table.ended(work, (VALUE, bytes(60), (), False))
    desk.table.came()
    assert desk.new(10, "k0")
    assert desk.new(11, "k1")
    assert desk.joins(12, "k2") is not None


def test_a_large_value_comes_from_the_disk_for_a_call_of_another_executor(desk: Desk) -> None:
    """That one is not connected to the cluster on which the value is."""
    work = desk.new(1, "k")
    desk.table.left()
    desk.table.came()
    assert desk.joins(7, "k", "other") is None
    assert not desk.table.ended(work, (KEPT, (5, "key", None, 10), (), None), recording=True)
    assert not desk.sent
    desk.table.recorded(work, RECORDED)
    assert desk.sent == [(7, RECORDED)]


def test_a_large_value_that_is_being_recorded_comes_from_there(desk: Desk) -> None:
    work = desk.new(1, "k")
    desk.table.ended(work, (KEPT, (5, "key", None, 10), (), None), recording=True)
    assert desk.sent == [(1, (KEPT, (5, "key", None, 10), (), None))]
    desk.table.left()
    desk.table.came()
    assert desk.joins(7, "k") is None
    assert len(desk.sent) == 1  # the value may leave its worker as soon as it is recorded
    desk.table.recorded(work, RECORDED)
    assert desk.sent[-1] == (7, RECORDED)
    assert not desk.table.unheard()


def test_a_large_value_that_is_recorded_while_nobody_is_here_is_found(desk: Desk) -> None:
    work = desk.new(1, "k")
    desk.table.ended(work, (KEPT, (5, "key", None, 10), (), None), recording=True)
    desk.table.left()
    desk.table.recorded(work, RECORDED)
    desk.table.came()
    assert desk.joins(7, "k") is RECORDED


def test_a_large_value_that_is_recorded_after_a_script_has_come_is_found_too(desk: Desk) -> None:
    work = desk.new(1, "k")
    desk.table.ended(work, (KEPT, (5, "key", None, 10), (), None), recording=True)
    desk.table.left()
    desk.table.came()  # it has read what was recorded, and asks later
    desk.table.recorded(work, RECORDED)
    assert desk.joins(7, "k") is RECORDED


def test_calls_without_a_key_are_nobodys_when_their_script_has_gone(desk: Desk) -> None:
    plain, keyed = desk.new(1), desk.new(2, "k")
    desk.table.left()
    assert list(desk.table.came()) == [plain]
    assert desk.table.works() == [plain, keyed]
    desk.table.ended(plain, (VALUE, b"v", (), False))
    assert not desk.table.unheard()
    assert not desk.sent


def test_numbers_are_those_of_the_script_that_is_here(desk: Desk) -> None:
    work = desk.new(1, "k")
    assert desk.table.of(1) is work
    desk.table.left()
    assert desk.table.of(1) is None
