"""Steps that are tried again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from parsl_on_dask.remote import attempts
from parsl_on_dask.remote.attempts import retried


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, which take no time here."""
    made: list[float] = []
    monkeypatch.setattr(attempts.time, "sleep", made.append)
    return made


def failing(*errors: Exception) -> Callable[[], str]:
    left = list(errors)

    def step() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return step


def passes(error: Exception) -> bool:
    return isinstance(error, ConnectionError)


def test_what_may_pass_is_tried_again_after_longer_and_longer_pauses(pauses: list[float]) -> None:
    assert retried(failing(ConnectionError(), ConnectionError()), 3, 0.5, passes) == "done"
    assert pauses == [0.5, 1.0]


@pytest.mark.parametrize(
    ("errors", "tries"), [([ConnectionError("1"), ConnectionError("2")], 2), ([PermissionError("no")], 5)]
)
def test_the_last_failure_is_raised(pauses: list[float], errors: list[Exception], tries: int) -> None:
    with pytest.raises(type(errors[-1])) as caught:
        retried(failing(*errors), tries, 0.5, passes)
    assert caught.value is errors[-1] and len(pauses) == len(errors) - 1
