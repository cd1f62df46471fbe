"""Which calls travel together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.queues import ALONE, LONG, SPARE, TARGET, TIMES_KEPT, Queues


def queues(**options: Any) -> Queues:
    return Queues(SimpleNamespace(**{"max_batch": 512, **options}))


def call(key: str = "f", **spec: Any) -> Call:
    made = Call(key, print, (), {}, spec, lambda *_: None)
    made.function_key = key
    return made


def filled(waiting: Queues, number: int, key: str = "f") -> Any:
    for _ in range(number):
        waiting.add(call(key))
    return next(k for k, _ in waiting.heads() if k[0] == key)


def test_calls_of_an_unknown_app_go_one_at_a_time() -> None:
    waiting = queues()
    assert waiting.portion(filled(waiting, 100), 2) == 1


def test_short_calls_share_a_batch_and_leave_some_for_others() -> None:
    waiting = queues()
    key = filled(waiting, 1000)
    waiting.learn(call(), 0.00001, kept=False)
    assert waiting.portion(key, 2) == 250
    assert queues(max_batch=10).max_batch == 10


def test_a_batch_holds_a_bounded_amount_of_work() -> None:
    waiting = queues()
    key = filled(waiting, 10_000)
    waiting.learn(call(), 0.01, kept=False)
    assert waiting.portion(key, 2) == round(TARGET / 0.01)


def test_long_calls_and_those_with_large_results_travel_alone() -> None:
    for seconds, kept, expected in ((2 * LONG, False, True), (0.0001, True, True), (LONG, False, False)):
        waiting = queues()
        filled(waiting, 3)
        waiting.learn(call(), seconds, kept=kept)
        assert [alone for _, alone in waiting.heads()] == [expected]


def test_where_shifts_cost_nothing_more_only_very_long_calls_travel_alone() -> None:
    for seconds, expected in ((2 * LONG, False), (2 * ALONE, True)):
        waiting = Queues(SimpleNamespace(max_batch=512), shifts=True)
        filled(waiting, 3)
        waiting.learn(call(), seconds, kept=False)
        assert [alone for _, alone in waiting.heads()] == [expected]


def test_a_mean_follows_the_newest_times() -> None:
    waiting = queues()
    for seconds in (0.5, 1.0, 1.0):
        waiting.learn(call(), seconds, kept=False)
    assert waiting.mean_of("f") == pytest.approx(0.68)


def test_a_long_time_is_forgotten_slowly() -> None:
    waiting = queues()
    waiting.learn(call(), 10.0, kept=False)
    waiting.learn(call(), 5.0, kept=False)
    assert waiting.need_of("f") == waiting.longest_need() == pytest.approx(9.9 * SPARE)


def test_of_a_function_that_was_not_called_nothing_is_known() -> None:
    waiting = queues()
    assert waiting.longest_need() == waiting.need_of("f") == waiting.mean_of("f") == 0.0
    waiting.learn(call(), 0.01, kept=False)
    assert waiting.longest_need() == waiting.need_of("f") == pytest.approx(0.01 * SPARE)
    assert waiting.need_of("g") == 0.0


def test_nothing_waits_when_all_calls_have_failed() -> None:
    waiting = queues()
    filled(waiting, 3)
    waiting.clear()
    assert not waiting.size and not list(waiting.heads())


def test_calls_with_a_specification_have_a_queue_of_their_own() -> None:
    waiting = queues()
    waiting.add(call())
    waiting.add(call(resources={"GPU": 1}))
    assert [alone for _, alone in waiting.heads()] == [False, True]


def test_the_lowest_priority_goes_first_and_calls_without_one_last() -> None:
    waiting = queues()
    for spec in ({}, {"priority": 3}, {"priority": -1}):
        waiting.add(call(**spec))
    order = []
    while waiting.size:
        key = next(iter(waiting.heads()))[0]
        order.append(waiting.take(key, 1)[0].spec)
    assert order == [{"priority": -1}, {"priority": 3}, {}]


def test_apps_take_turns() -> None:
    waiting = queues()
    first, second = filled(waiting, 2, "a"), filled(waiting, 2, "b")
    waiting.take(first, 1)
    assert [key[0] for key, _ in waiting.heads()] == ["b", "a"]
    assert [c.name for c in waiting.take(second, 5)] == ["b", "b"]
    assert waiting.size == 1


def test_calls_that_waited_go_before_all_others_in_the_order_in_which_they_got_ready() -> None:
    waiting = queues()
    filled(waiting, 3, "first")
    for name in ("second", "third", "second"):
        made = call(name)
        made.waited, made.number = True, waiting.size
        waiting.add(made)
    filled(waiting, 1, "other")
    taken = []
    while waiting.size:
        key, _ = next(waiting.heads())
        taken += waiting.take(key, 1)
    assert [c.function_key for c in taken[:3]] in (["second", "third", "second"], ["second", "second", "third"])
    assert [c.number for c in taken if c.function_key == "second"] == [3, 5]
    assert {c.function_key for c in taken[3:]} == {"first", "other"}


def test_of_those_that_waited_the_app_that_got_ready_last_goes_first() -> None:
    waiting = queues()
    for name in ("step 1", "step 2", "step 3"):
        made = call(name)
        made.waited = True
        waiting.add(made)
    assert [key[0] for key, _ in waiting.heads()] == ["step 3", "step 2", "step 1"], "what is nearest to its end"


def test_the_run_times_that_are_remembered_are_bounded() -> None:
    waiting = queues()
    for i in range(2 * TIMES_KEPT):
        waiting.learn(call(f"closure {i}"), 0.001, kept=False)
        waiting.at_least(f"other {i}", 1.0)
    assert len(waiting.times) == TIMES_KEPT
