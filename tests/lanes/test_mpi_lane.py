"""Who gets which nodes of which block."""

from __future__ import annotations

from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.mpi_lane import NodePool
from parsl_on_dask.lanes.stages import CANCEL


def calls(*wanted):
    made = [Call("app", max, (), {}, {"num_nodes": nodes}, lambda c, o: None) for nodes in wanted]
    for number, call in enumerate(made):
        call.number = number
    return made


def ledger_with(waiting, slots=8, **blocks):
    pool = NodePool()
    for block, count in blocks.items():
        pool.add((block,), [f"{block}{i}" for i in range(count)], slots)
    for call in waiting:
        pool.wait(call)
    return pool


def placed(pool):
    return [call.number for call, _ in pool.place()]


def test_no_node_is_given_twice():
    pool = ledger_with(made := calls(2, 1, 2), a=4)
    assert placed(pool) == [1, 0]
    assert sorted([*pool.granted[0].names, *pool.granted[1].names]) == ["a0", "a1", "a2"]
    pool.release(made[1])
    assert placed(pool) == [2]
    assert sorted([*pool.granted[0].names, *pool.granted[2].names]) == ["a0", "a1", "a2", "a3"]


def test_the_fewest_nodes_go_first_and_equals_in_order():
    assert placed(ledger_with(calls(3, 1, 2, 1), a=9)) == [1, 3, 2, 0]


def test_a_block_runs_no_more_calls_than_it_has_workers():
    pool = ledger_with(made := calls(1, 1, 1), slots=2, a=4)
    assert placed(pool) == [0, 1]
    pool.release(made[0])
    assert placed(pool) == [2]


def test_nodes_of_two_blocks_are_not_mixed():
    pool = ledger_with(calls(1, 3), a=2, b=3)
    assert [(call.number, block) for call, block in pool.place()] == [(0, ("a",)), (1, ("b",))]


def test_a_block_that_may_not_be_used_is_passed_over():
    pool = ledger_with(calls(1, 2), a=1, b=2)
    pool.may = lambda call, block: block == ("b",)
    assert [(call.number, block) for call, block in pool.place()] == [(0, ("b",))]
    pool.may = lambda call, block: True
    assert placed(pool) == []
    assert [e[2].number for g in pool.groups.values() for e in g.waiting] == [1]


def test_one_that_comes_back_goes_before_its_equals():
    made = calls(2, 2, 2, 1)
    pool = ledger_with(made[:2], a=3)
    pool.wait(made[2], first=True)
    pool.wait(made[3])
    assert placed(pool) == [3, 2]


def test_cancelled_calls_get_nothing():
    made = calls(1, 1)
    made[0].step(CANCEL)
    assert placed(ledger_with(made, slots=1, a=1)) == [1]


def test_what_no_block_has_is_told_apart_from_what_is_taken_now():
    pool = ledger_with(calls(2, 3, 2), a=2)
    assert placed(pool) == [0]
    assert [call.number for call in pool.impossible()] == [1]
    assert [e[2].number for g in pool.groups.values() for e in g.waiting] == [2]


def test_blocks_that_go_take_their_grants_along():
    pool = ledger_with(calls(2, 2), a=2)
    assert placed(pool) == [0]
    pool.nodes([("b",)])
    assert placed(pool) == []
    assert pool.impossible() == []
    pool.add(("b",), ["b0", "b1"], 1)
    assert placed(pool) == [1]
    assert pool.granted[1].names == ("b0", "b1")


def test_many_calls_wait_without_being_looked_at_each_time():
    pool = ledger_with(calls(*[2] * 20000), a=2)
    assert placed(pool) == [0]
    for _ in range(2000):
        assert placed(pool) == []
