"""walltime of Python apps."""

from __future__ import annotations

import time
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.app.errors import AppTimeout
from tests.helpers import WAIT

WARM = True

pytestmark = pytest.mark.usefixtures("kernel")


@python_app
def loop(seconds: float, walltime: Any = None) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.005)
    return "ended"


def test_a_call_that_takes_too_long_is_ended() -> None:
    with pytest.raises(AppTimeout):
        loop(100, walltime=0.5).result(WAIT)


def test_a_call_in_time_gives_its_value() -> None:
    assert loop(0.05, walltime=30).result(WAIT) == "ended"


def test_a_default_in_the_signature_counts() -> None:
    @python_app
    def by_default(walltime: float = 0.3) -> None:
        while True:
            time.sleep(0.005)

    with pytest.raises(AppTimeout):
        by_default().result(WAIT)


def test_no_walltime_at_all() -> None:
    assert loop(0.05, walltime=None).result(WAIT) == "ended"


def test_the_timer_of_one_call_never_hits_the_next() -> None:
    """Calls that end at about their walltime, followed by calls that must not be disturbed."""
    futures = []
    for _ in range(8):
        futures.append(loop(0.1, walltime=0.1))
        futures.append(loop(0.2))
    for limited, free in zip(futures[::2], futures[1::2], strict=True):
        error = limited.exception(WAIT)
        assert error is None or isinstance(error, AppTimeout)
        assert free.result(WAIT) == "ended"


def test_the_timeout_reaches_dependents_as_their_root_cause() -> None:
    @python_app
    def after(x: Any) -> Any:
        return x

    error = after(loop(50, walltime=0.3)).exception(WAIT)
    assert error is not None
    assert isinstance(error.__cause__, AppTimeout)
