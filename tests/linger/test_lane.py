"""The lane of an executor that is kept, with a resident that answers when the test says so."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from parsl_on_dask.linger.lane import KeptLane


def test_in_the_event_loop_of_dasks_client_nothing_waits() -> None:
    """What the resident says next may be read only when that loop has done something else."""
    questions: list[Future[Any]] = []

    def question(*words: Any) -> Future[Any]:
        questions.append(Future())
        return questions[-1]

    lane = KeptLane.__new__(KeptLane)
    lane.left, lane.lost, lane.label = False, None, "kept"
    lane._last, lane._questions = {}, {}
    lane.resident = SimpleNamespace(question=question)  # type: ignore[assignment]

    async def ask() -> dict[str, int] | None:
        lane.client = SimpleNamespace(loop=SimpleNamespace(asyncio_loop=asyncio.get_running_loop()))
        return lane.running()

    assert asyncio.run(ask()) == {}
    assert asyncio.run(ask()) == {}
    assert len(questions) == 1
    questions[0].set_result({"app": 2})
    assert asyncio.run(ask()) == {"app": 2}
    assert len(questions) == 2
