"""Who gets which part of which node."""

from __future__ import annotations

from parsl_on_dask.lanes.admission import Ledger
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.stages import CANCEL, CLAIM, RETURN, SUBMIT

NODE = {"cores": 4, "memory": 1000, "disk": 1000, "gpus": 0}


def calls(*specs):
    made = [Call("app", max, (), {}, spec, lambda c, o: None) for spec in specs]
    for number, call in enumerate(made):
        call.number = number
    return made


def ledger_with(waiting, **nodes):
    ledger = Ledger()
    ledger.capacity = {(name,): node for name, node in nodes.items()}
    for call in waiting:
        ledger.wait(call)
    return ledger


def placed(ledger):
    return [call.number for call, _ in ledger.place()]


def test_calls_share_a_node_until_it_is_full():
    ledger = ledger_with(made := calls(*[{"cores": 2, "memory": 10, "disk": 10}] * 3), a=NODE)
    assert placed(ledger) == [0, 1]
    assert placed(ledger) == []
    ledger.release(made[0])
    assert placed(ledger) == [2]


def test_a_call_without_resources_has_a_node_alone():
    made = calls({}, {"cores": 1, "memory": 1, "disk": 1}, {"gpus": 0})
    ledger = ledger_with(made, a=NODE)
    assert placed(ledger) == [0]
    ledger.release(made[0])
    assert placed(ledger) == [1]
    ledger.release(made[1])
    assert placed(ledger) == [2]


def test_small_calls_pass_those_that_do_not_fit():
    ledger = ledger_with(calls({"cores": 3}, {"cores": 3}, {"cores": 1}), a=NODE)
    assert placed(ledger) == [0, 2]


def test_unnamed_resources_are_given_in_proportion():
    ledger = ledger_with(calls({"memory": 500}, {"cores": 2}, {"disk": 1}), a=NODE)
    assert placed(ledger) == [0, 1]


def test_the_highest_priority_goes_first_and_equals_in_order():
    ledger = ledger_with(calls({"priority": 1}, {"priority": 5}, {"priority": 5}, {}), a=NODE, b=NODE)
    assert placed(ledger) == [1, 2]


def test_one_that_comes_back_goes_before_its_equals():
    made = calls({}, {}, {})
    ledger = ledger_with(made[:2], a=NODE)
    ledger.wait(made[2], first=True)
    assert placed(ledger) == [2]


def test_the_emptiest_node_is_taken():
    made = calls({"cores": 1}, {"cores": 1})
    ledger = ledger_with(made, a=NODE, b=NODE)
    assert {node for _, node in ledger.place()} == {("a",), ("b",)}


def test_cancelled_calls_get_nothing():
    made = calls({}, {})
    made[0].step(CANCEL)
    assert placed(ledger_with(made, a=NODE)) == [1]


def test_calls_that_were_sent_and_not_run_are_not_taken_for_cancelled():
    made = calls({})
    for move in (SUBMIT, CLAIM, RETURN):
        made[0].step(move)
    assert placed(ledger_with(made, a=NODE)) == [0]


def test_what_no_node_has_is_told_apart_from_what_is_taken_now():
    made = calls({"cores": 4}, {"cores": 5}, {"cores": 4})
    ledger = ledger_with(made, a=NODE)
    assert placed(ledger) == [0]
    assert [call.number for call in ledger.impossible()] == [1]
    assert ledger.waiting == 1


def test_nodes_that_go_take_their_grants_along():
    made = calls({}, {})
    ledger = ledger_with(made, a=NODE)
    ledger.place()
    ledger.nodes([("b",)])
    ledger.capacity["b",] = NODE
    assert placed(ledger) == [1]


def test_without_nodes_nothing_is_placed_and_nothing_impossible():
    ledger = ledger_with(calls({"cores": 99}))
    assert placed(ledger) == []
    assert ledger.impossible() == []


def test_gpus_are_given_by_name_and_taken_back():
    small = {"cores": 1, "memory": 1, "disk": 1}
    made = calls({**small, "gpus": 2}, {**small, "gpus": 1}, {**small, "gpus": 1}, small)
    ledger = ledger_with(made, a={**NODE, "gpus": 3})
    ledger.gpus["a",] = ("4", "5", "7")
    assert placed(ledger) == [0, 1, 3]
    assert [ledger.granted[number].names for number in (0, 1, 3)] == [("4", "5"), ("7",), ()]
    ledger.release(made[0])
    assert placed(ledger) == [2]
    assert ledger.granted[2].names == ("4",)


def test_gpus_without_names_are_counted():
    made = calls({"cores": 1, "gpus": 1}, {"cores": 1, "gpus": 1})
    ledger = ledger_with(made, a={**NODE, "gpus": 2})
    assert placed(ledger) == [0, 1]
    assert [ledger.granted[number].names for number in (0, 1)] == [("0",), ("1",)]


def test_placing_costs_the_same_for_each_call_however_many_wait(monkeypatch):
    from parsl_on_dask.lanes import admission

    computed = []
    real = admission.needs
    monkeypatch.setattr(admission, "needs", lambda *a: computed.append(a) or real(*a))
    spec = {"cores": 2, "memory": 10, "disk": 10}
    made = calls(*[spec] * 500)
    ledger = ledger_with([], a=NODE, b=NODE)
    running = []
    for call in made:
        ledger.wait(call)
        running += [call for call, _ in ledger.place()]
    for call in running:  # which grows meanwhile
        ledger.release(call)
        running += [call for call, _ in ledger.place()]
    assert [call.number for call in running] == list(range(500))
    assert len(computed) < 20, "once for each node, and again for those that found an empty queue"
    assert ledger.waiting == 0 and not ledger.groups


def test_groups_keep_the_order_of_their_calls():
    small, large = {"cores": 1, "memory": 1, "disk": 1}, {"cores": 2, "memory": 1, "disk": 1}
    made = calls(small, large, {**small, "priority": 9}, small, large)
    ledger = ledger_with(made, a=NODE)
    assert placed(ledger) == [2, 0, 1]
    ledger.release(made[2])
    assert placed(ledger) == [3]


def test_room_that_is_freed_or_added_is_seen():
    made = calls(*[{}] * 3)
    ledger = ledger_with(made, a=NODE)
    assert placed(ledger) == [0]
    assert placed(ledger) == []
    ledger.capacity["b",] = dict(NODE)
    assert placed(ledger) == [1]
    ledger.release(made[0])
    assert placed(ledger) == [2]


def test_fractions_add_up():
    made = calls(*[{"cores": 0.1, "memory": 1, "disk": 1}] * 40)
    ledger = ledger_with(made, a=NODE)
    assert len(placed(ledger)) == 40
    for call in made:
        ledger.release(call)
    assert ledger.left(("a",)) == NODE
