"""How fast blocks are asked for when they die: days of a batch system, by a clock of the test's own."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable

import pytest

from parsl_on_dask.clusters.governor import FULL, MOST, NO_ANSWER, Governor
from parsl_on_dask.clusters.scaling import Demand, decide


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def campaign(
    lives: Callable[[int], float], seconds: float, *, most: int = 10, delay: float = 2.0, young: float = 300.0
) -> list[float]:
    """When blocks were submitted, with always enough to do: each one lives as `lives` says of its number."""
    clock = Clock()
    governor = Governor("hpc", clock)
    began = clock.now
    sent: list[float] = []
    alive: dict[int, tuple[float, float, int]] = {}
    waiting = 0
    lived: set[int] = set()
    while clock.now - began < seconds:
        for block, (since, life, trial) in list(alive.items()):
            if clock.now >= since + life + delay:
                del alive[block]
                if life < young:
                    governor.died(trial, "exit code 1")
            if block not in lived and clock.now - since >= young and life >= young:
                lived.add(block)
                governor.lived()
        waiting += max(0, decide(Demand(1000, len(alive) + waiting, 1, 0, most, 1.0, 0.0), 120.0, False))
        while waiting and not governor.wait():
            waiting -= 1
            trial = governor.sent()
            alive[len(sent)] = (clock.now, lives(len(sent)), trial)
            sent.append(clock.now - began)
            governor.taken()
        clock.now += 0.5
    return sent


@pytest.mark.parametrize("life", [0.0, 1.0, 5.0, 20.0, 45.0, 120.0, 290.0])
@pytest.mark.parametrize("most", [1, 10])
def test_blocks_that_all_die_young_are_few(life: float, most: int) -> None:
    sent = campaign(lambda block: life, 3600, most=most)
    assert len([at for at in sent if at < 40]) <= 20
    assert most < len(sent) <= 60, "it goes on trying, more and more slowly"
    gaps = [b - a for a, b in itertools.pairwise(sent)]
    assert max(gaps) <= MOST + 300


def test_blocks_that_live_are_asked_for_without_pauses() -> None:
    assert campaign(lambda block: 1e9, 600, most=200) == [0.0] * 200


def test_one_block_that_lives_ends_the_pauses() -> None:
    """The first ten die, all others live: those go one by one until the first of them has lived for long enough."""
    sent = campaign(lambda block: 1.0 if block < 10 else 1e9, 3600)
    assert len(sent) == 20 and sent[:10] == [0.0] * 10
    assert sent[-1] < 60


def test_some_that_die_among_many_that_live() -> None:
    """Every third block dies at once; the others are there all the same, and the dead are not replaced in haste."""
    sent = campaign(lambda block: 1.0 if block % 3 == 0 else 1e9, 3600)
    assert len(sent) <= 10 + 10 and len([at for at in sent if at < 40]) <= 20


def test_blocks_that_die_together_are_one_trial(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    governor = Governor("hpc", clock)
    trials = [governor.sent() for _ in range(10)]
    with caplog.at_level(logging.WARNING):
        for trial in trials:
            governor.died(trial, "exit code 3")
    assert (governor.trial, governor.wait()) == (1, 5.0)
    assert len(caplog.records) == 1 and "exit code 3" in caplog.text, "one line tells of it"
    assert "exit code 3" in governor.reason
    clock.now += 5.0
    assert not governor.wait()
    assert governor.sent() == 1 and governor.wait() == 5.0, "the next one waits, whatever becomes of this"
    governor.died(1, "exit code 3")
    assert governor.wait() == 10.0
    governor.lived()
    assert not governor.wait() and not governor.reason


@pytest.mark.parametrize(("what", "pauses"), [("not_answered", NO_ANSWER), ("full", FULL)])
def test_what_passes_is_tried_again_and_is_no_failure(what: str, pauses: tuple[float, float]) -> None:
    clock = Clock()
    governor = Governor("hpc", clock)
    waits = []
    for _ in range(12):
        governor.sent()
        getattr(governor, what)("Socket timed out on send/recv operation")
        waits.append(governor.wait())
        assert "Socket timed out" in governor.reason
        clock.now += governor.wait()
    assert waits[0] == pauses[0] and waits[-1] == pauses[1]
    assert all(a <= b <= 2 * a for a, b in itertools.pairwise(waits))
    assert governor.trial == 0
    governor.taken()
    assert not governor.wait() and not governor.reason


def test_room_is_used_when_a_job_has_ended() -> None:
    clock = Clock()
    governor = Governor("hpc", clock)
    for _ in range(6):
        governor.full("QOSMaxSubmitJobPerUserLimit")
        clock.now += governor.wait()
    governor.full("QOSMaxSubmitJobPerUserLimit")
    assert governor.wait() == FULL[1]
    governor.room()
    assert governor.wait() == NO_ANSWER[0]
