"""More calls than can be sent: they wait without being pickled, sent twice, or forgotten."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.lanes import batches
from parsl_on_dask.lanes.batches import STEPS
from tests.helpers import WAIT, append, eventually, hold, text_of
from tests.lanes.traffic import Traffic, at_rest, know, lane_of, occupied, ran, same, wait_or_pass

WARM = True

CONFIG = {"initialize_logging": False}
pytestmark = pytest.mark.usefixtures("kernel")


@python_app
def noted(path: str, text: str, after: Any = None) -> str:
    append(path, text + "\n")
    return text


class Largest:
    """The most calls that a lane held ready for sending while this was entered."""

    def __init__(self, lane: Any) -> None:
        self.queues = lane.queues
        self.size = 0

    def __enter__(self) -> Largest:
        add = self.queues.add

        def watched(*args: Any, **kwargs: Any) -> None:
            add(*args, **kwargs)
            self.size = max(self.size, self.queues.size)

        self.queues.add = watched
        return self

    def __exit__(self, *_: Any) -> None:
        del self.queues.add


READY = 512


def test_what_waits_is_bounded_in_the_lane(
    kernel: Any, config_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "READY", READY)
    lane = lane_of(kernel)
    assert [f.result(WAIT) for f in [same(i) for i in range(100)]] == list(range(100))
    number = 3 * READY
    if config_name == "threads":
        with occupied(lane, tmp_path, 2):
            futures = [same(i) for i in range(number)]
            assert lane.outstanding() == number + 2
        assert [f.result(WAIT) for f in futures] == list(range(number))
        return
    monkeypatch.setattr(lane.queues, "max_batch", 32)
    with occupied(lane, tmp_path, 2) as release, Largest(lane) as largest:
        futures = [same(i) for i in range(number)]
        # at a moment, the one that is being made ready counts twice
        eventually(lambda: lane.outstanding() == number + 2, "all are counted, ready or not")
        eventually(lambda: lane.queues.size >= READY, "as many as may be are ready")
        eventually(lambda: lane.outstanding() == number + 2, "all are still counted")
        assert len(lane.steps) >= number - READY - STEPS - 8 * lane.queues.max_batch
        release()
        assert [f.result(WAIT) for f in futures] == list(range(number))
    # those that busy workers hand back come on top
    assert READY <= largest.size <= READY + STEPS + 8 * lane.queues.max_batch < number
    eventually(lambda: not lane.outstanding(), "nothing is left")
    assert not lane.live and not lane.queues.size


def test_calls_behind_blocked_workers_are_left_alone(kernel: Any, config_name: str, tmp_path: Path) -> None:
    """They are not sent again and again; they run when one worker is free."""
    if config_name == "threads":
        pytest.skip("nothing is sent to threads")
    lane = lane_of(kernel)
    know(tmp_path, wait_or_pass)
    with Traffic(lane) as traffic:
        with at_rest(lane):
            futures = [wait_or_pass(str(tmp_path), i, 2) for i in range(300)]
        eventually(lambda: {0, 1} <= set(ran(tmp_path)), "both workers are blocked", WAIT)
        eventually(lambda: all(s.stuck or len(s.calls) < 2 for s in lane.open_shifts.values()), "the others are back")
        sent, before = traffic.messages, len(ran(tmp_path))
        # long enough for the workers to have handed calls back ten times
        assert concurrent.futures.wait(futures[:2], 0.6).done == set()
        assert len(ran(tmp_path)) == before
        assert traffic.messages - sent <= 2, "sent, handed back, sent ..."
        (tmp_path / "gate1").touch()
        assert [f.result(WAIT) for f in futures[1:]] == list(range(1, 300))
        assert not futures[0].done()
        (tmp_path / "gate0").touch()
        assert futures[0].result(WAIT) == 0
    assert Counter(ran(tmp_path)) == dict.fromkeys(range(300), 1)


def test_what_was_begun_is_finished_first(kernel: Any, config_name: str, tmp_path: Path) -> None:
    """Second links of chains go before first links of others, so that values do not pile up."""
    if config_name == "threads":
        pytest.skip("threads take calls in the order in which they got ready, as Parsl's do")
    path = str(tmp_path / "log")
    for future in [noted(path, "warm") for _ in range(60)]:
        future.result(WAIT)
    first = [noted(path, f"first {i}") for i in range(1000)]
    second = [noted(path, f"second {i}", after=f) for i, f in enumerate(first)]
    assert [f.result(WAIT) for f in second] == [f"second {i}" for i in range(1000)]
    order = [line.split() for line in text_of(path).splitlines() if line != "warm"]
    assert len(order) == 2000
    begun = next(n for n, (what, _) in enumerate(order) if what == "second")
    assert begun < 900, "no second link before all first ones were done"
    places = {(what, int(i)): n for n, (what, i) in enumerate(order)}
    assert all(places["first", i] < places["second", i] for i in range(1000))


def test_many_calls_from_many_threads(kernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a short supply of ready calls, so that the lane falls asleep and wakes often."""
    monkeypatch.setattr(batches, "READY", 16)
    assert same(0).result(WAIT) == 0
    found: list[list[Any]] = [[] for _ in range(4)]

    def submit(n: int) -> None:
        x: Any = n
        for i in range(300):
            found[n].append(same((n, i)))
            if i % 3 == 0:
                x = same(x)
                found[n].append(x)

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    for n in range(4):
        values = [f.result(WAIT) for f in found[n]]
        assert [v for v in values if v != n] == [(n, i) for i in range(300)]


def test_an_idle_worker_takes_what_waits_behind_a_busy_one(kernel: Any, tmp_path: Path) -> None:
    """Also when Dask gave two calls to the same worker, because the other one seemed to have more to do just then."""

    @python_app
    def occupant(started: str, gate: str) -> None:
        hold(started, gate)

    @python_app
    def brief(started: str, gate: str) -> None:

        time.sleep(0.07)
        hold(started, gate)

    def call(app: Any, name: str, gate: str) -> Any:
        return app(str(tmp_path / name), str(tmp_path / gate))

    (tmp_path / "open").touch()
    for i in range(4):  # known to be brief, and long enough to be a Dask task each
        call(brief, f"known {i}", "open").result(WAIT)
    try:
        first = call(occupant, "occupant", "gate of the occupant")
        eventually((tmp_path / "occupant").exists, "one worker runs what nobody knows the time of")
        others = [call(brief, f"brief {i}", "gate") for i in range(2)]
        eventually(lambda: any((tmp_path / f"brief {i}").exists() for i in range(2)), "the other one is busy, too")
        (tmp_path / "gate of the occupant").touch()
        first.result(WAIT)
        eventually(lambda: all((tmp_path / f"brief {i}").exists() for i in range(2)), "both run, for there are two")
    finally:
        for gate in ("gate", "gate of the occupant"):
            (tmp_path / gate).touch()
    for future in others:
        future.result(WAIT)
