"""States go into databases and logs by name and number."""

from __future__ import annotations

from parsl_on_dask.dataflow.states import FINAL_FAILURE_STATES, FINAL_STATES, States


def test_names_and_numbers_are_parsls() -> None:
    assert {s.name: s.value for s in States} == {
        "pending": 0,
        "running": 2,
        "exec_done": 3,
        "failed": 4,
        "dep_fail": 5,
        "launched": 7,
        "fail_retryable": 8,
        "memo_done": 9,
        "joining": 10,
        "running_ended": 11,
    }


def test_a_state_prints_its_name() -> None:
    assert str(States.exec_done) == f"{States.exec_done}" == "States.exec_done"
    assert f"{States.failed!s} {int(States.failed)}" == "States.failed 4"


def test_final_states() -> None:
    assert {States.exec_done, States.memo_done, States.failed, States.dep_fail} == FINAL_STATES
    assert {States.failed, States.dep_fail} == FINAL_FAILURE_STATES
