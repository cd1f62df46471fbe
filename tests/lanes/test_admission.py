"""Who gets which part of which node."""

from __future__ import annotations

from parsl_on_dask.lanes.admission import AdmissionControl
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.stages import CANCEL, CLAIM, RETURN, SUBMIT

NODE = {"cores": 4, "memory": 1000, "disk": 1000, "gpus": 0}


def calls(*specs):
    made = [Call("app", max, (), {}, spec, lambda c, o: None) for spec in specs]
    for number, call in enumerate(made):
        call.number = number
    return made


def admission_with(waiting, **nodes):
    admission = AdmissionControl()
    admission.capacity = {(name,): node for name, node in nodes.items()}
    for call in waiting:
        admission.wait(call)
    return admission


def placed(admission):
    return [call.number for call, _ in admission.place()]


def test_calls_share_a_node_until_it_is_full():
    admission = admission_with(made := calls(*[{"cores": 2, "memory": 10, "disk": 10}] * 3), a=NODE)
    assert placed(admission) == [0, 1]
    assert placed(admission) == []
    admission.release(made[0])
    assert placed(admission) == [2]


def test_a_call_without_resources_has_a_node_alone():
    made = calls({}, {"cores": 1, "memory": 1, "disk": 1}, {"gpus": 0})
    admission = admission_with(made, a=NODE)
    assert placed(admission) == [0]
    admission.release(made[0])
    assert placed(admission) == [1]
    admission.release(made[1])
    assert placed(admission) == [2]


def test_small_calls_pass_those_that_do_not_fit():
    admission = admission_with(calls({"cores": 3}, {"cores": 3}, {"cores": 1}), a=NODE)
    assert placed(admission) == [0, 2]


def test_unnamed_resources_are_given_in_proportion():
    admission = admission_with(calls({"memory": 500}, {"cores": 2}, {"disk": 1}), a=NODE)
    assert placed(admission) == [0, 1]


def test_the_highest_priority_goes_first_and_equals_in_order():
    made = calls({}, {"priority": 1}, {"priority": 5}, {"priority": 5}, {"priority": 0})
    admission = admission_with(made, a=NODE, b=NODE, c=NODE, d=NODE)
    assert placed(admission) == [2, 3, 1, 0]


def test_one_that_comes_back_goes_before_its_equals():
    made = calls({}, {}, {})
    admission = admission_with(made[:2], a=NODE)
    admission.wait(made[2], first=True)
    assert placed(admission) == [2]


def test_the_emptiest_node_is_taken():
    made = calls({"cores": 1}, {"cores": 1})
    admission = admission_with(made, a=NODE, b=NODE)
    assert {node for _, node in admission.place()} == {("a",), ("b",)}


def test_cancelled_calls_get_nothing():
    made = calls({}, {})
    made[0].step(CANCEL)
    admission = admission_with(made, a=NODE)
    assert placed(admission) == [1] and not admission.waiting


def test_calls_that_were_sent_and_not_run_are_not_taken_for_cancelled():
    made = calls({})
    for move in (SUBMIT, CLAIM, RETURN):
        made[0].step(move)
    assert placed(admission_with(made, a=NODE)) == [0]


def test_what_no_node_has_is_told_apart_from_what_is_taken_now():
    made = calls({"cores": 4}, {"cores": 5}, {"cores": 4})
    admission = admission_with(made, a=NODE)
    assert placed(admission) == [0]
    assert [call.number for call in admission.impossible()] == [1]
    assert admission.waiting == 1
    assert admission.impossible() == []
    assert admission.release(made[0])
    assert placed(admission) == [2] and not admission.waiting


def test_what_no_node_has_is_told_in_its_order():
    made = calls(*[{"cores": 5}] * 3)
    admission = admission_with(made[:2], a=NODE)
    admission.wait(made[2], first=True)
    assert placed(admission) == []
    assert [call.number for call in admission.impossible()] == [2, 0, 1]


def test_nodes_that_go_take_their_grants_along():
    made = calls({}, {})
    admission = admission_with(made, a=NODE)
    admission.gpus["a",] = ("4",)
    admission.place()
    admission.nodes([("b",)])
    assert not admission.capacity and not admission.gpus
    admission.capacity["b",] = NODE
    assert placed(admission) == [1]


def test_what_has_nothing_gives_nothing_back():
    made = calls({}, {})
    admission = admission_with(made, a=NODE)
    assert placed(admission) == [0]
    assert admission.release(made[1]) is False
    assert admission.release(made[0]) is True
    assert admission.release(made[0]) is False


def test_without_nodes_nothing_is_placed_and_nothing_impossible():
    admission = admission_with(calls({"cores": 99}))
    assert placed(admission) == []
    assert admission.impossible() == []


def test_gpus_are_given_by_name_and_taken_back():
    small = {"cores": 1, "memory": 1, "disk": 1}
    made = calls({**small, "gpus": 2}, {**small, "gpus": 1}, {**small, "gpus": 1}, small)
    admission = admission_with(made, a={**NODE, "gpus": 3})
    admission.gpus["a",] = ("4", "5", "7")
    assert placed(admission) == [0, 1, 3]
    assert [admission.granted[number].names for number in (0, 1, 3)] == [("4", "5"), ("7",), ()]
    admission.release(made[0])
    assert placed(admission) == [2]
    assert admission.granted[2].names == ("4",)


def test_who_asks_for_no_gpus_gets_none():
    admission = admission_with(calls({"cores": 1}, {"cores": 2, "gpus": 0}), a={**NODE, "gpus": 3})
    assert placed(admission) == [0, 1]
    assert not admission.granted[0].names and not admission.granted[1].names
    assert admission.left(("a",)) == {"cores": 1, "memory": 250, "disk": 250, "gpus": 3}


def test_where_there_are_no_gpus_to_ask_for_none_is_to_ask_for_nothing():
    admission = admission_with(calls({"cores": 1, "gpus": 0}, {"cores": 3}), a=NODE)
    assert placed(admission) == [0, 1]


def test_gpus_without_names_are_counted():
    made = calls({"cores": 1, "gpus": 1}, {"cores": 1, "gpus": 1})
    admission = admission_with(made, a={**NODE, "gpus": 2})
    assert placed(admission) == [0, 1]
    assert [admission.granted[number].names for number in (0, 1)] == [("0",), ("1",)]


def test_placing_costs_the_same_for_each_call_however_many_wait(monkeypatch):
    from parsl_on_dask.lanes import admission

    computed = []
    real = admission.needs
    monkeypatch.setattr(admission, "needs", lambda *a: computed.append(a) or real(*a))
    spec = {"cores": 2, "memory": 10, "disk": 10}
    made = calls(*[spec] * 500)
    admission = admission_with([], a=NODE, b=NODE)
    running = []
    for call in made:
        admission.wait(call)
        running += [call for call, _ in admission.place()]
    for call in running:  # which grows meanwhile
        admission.release(call)
        running += [call for call, _ in admission.place()]
    assert [call.number for call in running] == list(range(500))
    assert len(computed) < 20, "once for each node, and again for those that found an empty queue"
    assert admission.waiting == 0 and not admission.groups


def test_calls_that_each_ask_for_something_else_cost_the_same_however_many_wait(monkeypatch):
    looked_at = {}
    for number in (50, 400):
        made = calls(*[{"cores": 2, "memory": 10 + i, "disk": 10} for i in range(number)])
        admission = admission_with([], a=NODE, b=NODE)
        fitting, looks = admission.fitting, []
        monkeypatch.setattr(admission, "fitting", lambda *a, f=fitting, seen=looks: seen.append(1) or f(*a))
        for call in made:
            admission.wait(call)
        running = [call for call, _ in admission.place()]
        looks.clear()
        for call in running:  # which grows meanwhile
            admission.release(call)
            running += [call for call, _ in admission.place()]
        assert [call.number for call in running] == list(range(number))
        looked_at[number] = len(looks) / number
    assert max(looked_at.values()) <= 1


def test_calls_of_a_function_may_follow_each_other_on_one_share():
    spec = {"cores": 4, "memory": 10, "disk": 10}
    made = calls(*[spec] * 7)
    made[4].function_key = "other"
    admission = admission_with(made, a=NODE)
    asked = []
    admission.share = lambda call, waiting: asked.append((call.number, waiting)) or 3
    assert placed(admission) == [0, 1, 2]
    assert asked == [(0, 7)]
    assert admission.release(made[1]) is admission.release(made[0]) is False
    assert placed(admission) == []
    assert admission.release(made[2]), "the last one gives it back"
    assert placed(admission) == [3], "what comes next is another function"
    admission.release(made[3])
    assert placed(admission) == [4]
    admission.release(made[4])
    made[6].uncharged = 1
    assert placed(admission) == [5], "one that had a lost worker goes alone"


def test_a_group_need_not_be_spread_where_others_wait():
    made = calls(*[{"cores": 4, "memory": 10, "disk": 10 + number % 5} for number in range(20)])
    admission = admission_with(made, a=NODE)
    admission.share = lambda call, waiting: waiting // 4
    assert placed(admission) == [0, 5, 10, 15], "five groups wait for one node: each goes as a whole"
    for number in (0, 5, 10, 15):
        admission.release(made[number])
    assert placed(admission) == [1, 6, 11, 16]


def test_groups_keep_the_order_of_their_calls():
    small, large = {"cores": 1, "memory": 1, "disk": 1}, {"cores": 2, "memory": 1, "disk": 1}
    made = calls(small, large, {**small, "priority": 9}, small, large)
    admission = admission_with(made, a=NODE)
    assert placed(admission) == [2, 0, 1]
    admission.release(made[2])
    assert placed(admission) == [3]


def test_room_that_is_freed_or_added_is_seen():
    made = calls(*[{}] * 3)
    admission = admission_with(made, a=NODE)
    assert placed(admission) == [0]
    assert placed(admission) == []
    admission.capacity["b",] = dict(NODE)
    assert placed(admission) == [1]
    admission.release(made[0])
    assert placed(admission) == [2]


def test_fractions_add_up():
    made = calls(*[{"cores": 0.1, "memory": 1, "disk": 1}] * 40)
    admission = admission_with(made, a=NODE)
    assert len(placed(admission)) == 40
    for call in made:
        admission.release(call)
    assert admission.left(("a",)) == NODE


def test_what_comes_later_is_placed_without_anything_having_been_freed():
    small, large = {"cores": 1, "memory": 1, "disk": 1}, {"cores": 2, "memory": 1, "disk": 1}
    made = calls({"cores": 2}, small, small, {"cores": 2}, large, {**large, "priority": 2, "gpus": 0})
    admission = admission_with(made[:1], a=NODE)
    assert placed(admission) == [0]
    admission.wait(made[1])
    admission.wait(made[2])
    assert placed(admission) == [1, 2], "all of a group, at once"
    for call in made[:3]:
        admission.release(call)
    assert placed(admission) == []
    admission.wait(made[3])
    assert placed(admission) == [3]
    admission.wait(made[4])
    admission.wait(made[5])
    assert placed(admission) == [5], "the highest priority goes first"


def test_those_that_come_back_again_and_again_keep_the_order():
    low, high = {"cores": 4}, {"cores": 4, "memory": 1, "priority": 1}
    made = calls(low, *[high] * 200)
    admission = admission_with(made[:1], a=NODE)
    for call in made[1:]:
        admission.wait(call, first=True)
    running, order = [], []
    while admission.waiting:
        running = [call for call, _ in admission.place()]
        order += [call.number for call in running]
        for call in running:
            admission.release(call)
    assert order == [*range(200, 0, -1), 0]


def test_when_all_has_failed_everything_is_free():
    made = calls({}, {"cores": 1}, {"cores": 5}, {})
    admission = admission_with(made[:3], a=NODE)
    assert placed(admission) == [0]
    admission.clear()
    assert not admission.waiting and not admission.granted and admission.left(("a",)) == NODE
    assert placed(admission) == [] and admission.impossible() == []
    admission.wait(made[3])
    assert placed(admission) == [3]
    admission.release(made[3])
    assert placed(admission) == []
