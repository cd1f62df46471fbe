"""Notes about tasks, which must cost next to nothing where tasks run."""

from __future__ import annotations

import gc
from collections import deque
from types import SimpleNamespace
from typing import Any

from parsl_on_dask.common.states import States
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.monitoring.observer import Observer
from parsl_on_dask.monitoring.rows import BEGAN, ENDED, RAN, SAMPLED, events_of


def notes(record: Any, observer: Observer, began: float) -> None:
    """What a call on a worker leaves."""
    call = SimpleNamespace(owner=record)
    outcome = SimpleNamespace(worker="tcp://worker", host="node", began=began, ended=began + 1)
    observer.state(record, States.pending)
    observer.state(record, States.launched)
    observer.seen(call, "tcp://worker", "node", began, b"samples")  # type: ignore[arg-type]
    observer.ran(record, outcome)  # type: ignore[arg-type]
    observer.state(record, States.exec_done)


def test_the_notes_of_a_call() -> None:
    values: deque[Any] = deque()
    observer = Observer(values.extend, True, 30.0)
    record = TaskRecord(id=7, kwargs={}, invoked=1.0, try_launched=2.0, returned=5.0)
    notes(record, observer, 3.0)
    place = ("tcp://worker", "node")
    assert list(events_of(iter(values))) == [
        (States.pending, record, 0, 1.0, None),
        (States.launched, record, 0, 2.0, None),
        (BEGAN, record, 0, 3.0, place),
        (SAMPLED, record, 0, 0.0, b"samples"),
        (RAN, record, 0, 3.0, place),
        (ENDED, record, 0, 4.0, None),
        (States.exec_done, record, 0, 5.0, None),
    ]


def test_notes_that_wait_are_nothing_to_the_garbage_collector() -> None:
    values: deque[Any] = deque()
    observer = Observer(values.extend, True, 30.0)
    record = TaskRecord(id=7, kwargs={}, invoked=1.0, try_launched=2.0, returned=5.0)
    gc.collect()
    before = len(gc.get_objects())
    for number in range(1000):
        notes(record, observer, float(number + 1))
    gc.collect()
    assert len(values) == 7 * 5 * 1000
    assert len(gc.get_objects()) - before < 500
