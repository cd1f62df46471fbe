"""Which worker a selector prefers, of those that have nothing to do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.executors.high_throughput.manager_selector import (
    BlockIdManagerSelector,
    ManagerSelector,
    RandomManagerSelector,
)
from parsl_on_dask.lanes.jobends import Where
from parsl_on_dask.lanes.preference import Preference, preference_of


def worker(block: str, number: int, threads: int = 1, draining: bool = False) -> dict[str, Any]:
    return {
        "address": f"{block}-{number}",
        "block": block,
        "host": "h",
        "node": f"n{block}",
        "nthreads": threads,
        "draining": draining,
    }


def batch(address: str, started: bool = False, calls: bool = True) -> Any:
    link = SimpleNamespace(address=address) if started else None
    return SimpleNamespace(started=started, link=link, place="" if started else address, calls={1: 1} if calls else {})


def lane(*workers: dict[str, Any], batches: Any = (), selector: Any = None) -> Any:
    made = SimpleNamespace(workers=lambda: list(workers), shifts=dict(enumerate(batches)), label="here")
    made.preference = Preference(made, selector or BlockIdManagerSelector())
    made.executor = SimpleNamespace(manager_selector=selector)
    return made


def test_the_last_of_the_order_is_the_first_that_is_given_a_call() -> None:
    assert lane(worker("0", 0), worker("1", 0)).preference.where() == Where(["1-0"], False)


def test_busy_workers_and_those_that_leave_are_passed_over() -> None:
    there = (worker("0", 0), worker("1", 0), worker("2", 0, draining=True))
    assert lane(*there, batches=[batch("1-0")]).preference.where() == Where(["0-0"], False)
    assert lane(*there, batches=[batch("1-0", started=True)]).preference.where() == Where(["0-0"], False)
    assert lane(*there, batches=[batch("1-0", calls=False)]).preference.where() == Where(["1-0"], False)


def test_a_worker_of_several_threads_is_free_while_one_is() -> None:
    there = (worker("0", 0), worker("1", 0, threads=2))
    assert lane(*there, batches=[batch("1-0")]).preference.where() == Where(["1-0"], False)
    assert lane(*there, batches=[batch("1-0"), batch("1-0")]).preference.where() == Where(["0-0"], False)


def test_with_all_busy_or_none_there_dask_chooses() -> None:
    assert lane(worker("0", 0), batches=[batch("0-0")]).preference.where() is None
    assert lane().preference.where() is None


def test_the_selector_is_told_of_each_node() -> None:
    seen: list[Any] = []

    class Looking(ManagerSelector):
        def sort_managers(self, ready_managers: Any, manager_list: Any) -> Any:
            seen.append((ready_managers, manager_list))
            return sorted(manager_list)

    there = lane(worker("0", 0), worker("0", 1), worker("1", 0), batches=[batch("1-0")], selector=Looking())
    assert there.preference.where() == Where(["0-0"], False)
    [(records, free)] = seen
    assert free == {b"block-0@n0"}
    assert records[b"block-0@n0"] == {"block_id": "0", "hostname": "h", "worker_count": 2, "active": True}
    assert records[b"block-1@n1"]["worker_count"] == 1


def test_a_selector_that_fails_is_asked_no_more(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(ManagerSelector):
        def sort_managers(self, ready_managers: Any, manager_list: Any) -> Any:
            raise ZeroDivisionError

    there = lane(worker("0", 0), selector=Failing())
    assert there.preference.where() is None
    assert there.preference is None


def test_who_does_not_care_is_not_asked() -> None:
    assert preference_of(SimpleNamespace(executor=SimpleNamespace())) is None  # type: ignore[arg-type]
    for selector, asked in ((None, False), (RandomManagerSelector(), False), (BlockIdManagerSelector(), True)):
        found = preference_of(SimpleNamespace(executor=SimpleNamespace(manager_selector=selector)))  # type: ignore[arg-type]
        assert (found is not None) is asked
