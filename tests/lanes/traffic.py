"""What leaves a lane: which calls travel together, in how many messages, and under which names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from parsl_on_dask import python_app
from parsl_on_dask.clusters.bootstrap import KEY_MARK
from parsl_on_dask.remote.execution import NONE
from parsl_on_dask.remote.packing import loads
from tests.helpers import WAIT, eventually, hold, text_of


class Traffic:
    """Listens, while it is entered, to what a lane sends to its cluster. Everything is sent all the same.

    Attributes
    ----------
    groups : list of list
        For each message to a worker and for each new Dask task: the calls in it, as the worker takes them.
    names : list of str
        What the dashboard shows for each new Dask task.
    fed : int
        How many messages went to workers directly.
    """

    def __init__(self, lane: Any) -> None:
        self.lane = lane
        self.groups: list[list[Any]] = []
        self.names: list[str] = []
        self.fed = 0

    def __enter__(self) -> Traffic:
        send, submit = self.lane.links.send, self.lane.client.map

        def sent(link: Any, message: bytes) -> None:
            self.fed += 1
            self.groups.append(loads(message)[2])
            send(link, message)

        def submitted(function: Any, bundles: Any, *args: Any, key: Any, **options: Any) -> Any:
            self.groups.extend(loads(bundle)["calls"] for bundle in bundles)
            self.names.extend(k.partition(KEY_MARK)[0] for k in key)
            return submit(function, bundles, *args, key=key, **options)

        self.lane.links.send, self.lane.client.map = sent, submitted
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del self.lane.links.send, self.lane.client.map

    @property
    def messages(self) -> int:
        """How many messages there were, of both kinds."""
        return len(self.groups)

    @property
    def calls(self) -> int:
        """How many calls were sent, those twice that were sent twice."""
        return sum(map(len, self.groups))

    def with_argument(self, position: int, value: Any) -> list[Any]:
        """The calls that first travelled with the one whose argument at a position is this value, itself included."""
        for group in self.groups:
            for _, _, payload, offset in group:
                args = loads(payload)[0] if offset == NONE else ()
                if len(args) > position and args[position] == value:
                    return group
        return []


@contextmanager
def at_rest(lane: Any) -> Iterator[None]:
    """While this lasts the lane's thread does nothing, so that what is submitted is there all at once afterwards."""
    resting, over = threading.Event(), threading.Event()

    def rest(_: Any) -> None:
        resting.set()
        over.wait(WAIT)

    lane.later("rest", rest, None)
    assert resting.wait(WAIT)
    try:
        yield
    finally:
        over.set()


def short_calls(lane: Any) -> None:
    """From here on each call counts as one of a millisecond, however long a busy machine makes it: as many travel
    together as may."""
    learn = type(lane.queues).learn
    with at_rest(lane):
        for times in lane.queues.times.values():
            times.mean = times.longest = 0.001
        lane.queues.learn = lambda call, seconds, kept: learn(lane.queues, call, 0.001, kept)


@contextmanager
def occupied(lane: Any, folder: Path, workers: int) -> Iterator[Callable[[], None]]:
    """While this lasts, or until what it gives is called, that many workers of the loaded kernel are busy."""
    gate = folder / "gate"
    holders = []

    def lingers() -> bool:
        shifts = getattr(lane, "shifts", None)
        return isinstance(shifts, dict) and not all(shift.calls for shift in list(shifts.values()))

    try:
        for i in range(workers):
            eventually(lambda: not lingers(), "no worker waits for more calls")
            started = folder / f"started{i}"
            holders.append(python_app(hold)(str(started), str(gate)))
            eventually(started.exists, "one more worker is busy", WAIT)
        yield gate.touch
    finally:
        gate.touch()
        for holder in holders:
            holder.exception(WAIT)


@python_app
def same(x: Any) -> Any:
    return x


@python_app
def wait_or_pass(folder: str, i: int, waiting: int) -> int:
    """The first ones note their beginning and wait for a gate each, the others note that they ran."""
    import os
    import time

    with open(f"{folder}/ran", "a") as file:
        file.write(f"{i}\n")
    deadline = time.monotonic() + 60
    while i < waiting and not os.path.exists(f"{folder}/gate{i}"):
        if time.monotonic() > deadline:
            raise TimeoutError("gate")
        time.sleep(0.005)
    return i


def lane_of(kernel: Any) -> Any:
    return next(iter(kernel.executors.values())).lane


def ran(folder: Path) -> list[int]:
    return list(map(int, text_of(folder / "ran").split()))


def know(folder: Path, app: Any) -> None:
    """Let the run times of the waiting app be known, as short."""
    warm = folder / "warm"
    warm.mkdir()
    for future in [app(str(warm), i, 0) for i in range(60)]:
        future.result(WAIT)
