"""Decides when batch systems are asked after jobs: rarely, and once for all executors of this process.

Workers tell by themselves when they come and go, so what a batch system can add is little: why a job waits, or how it
ended. Sites forbid programs that ask all the time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from parsl_on_dask.clusters.block import Block
from parsl_on_dask.clusters.parts import Asked
from parsl_on_dask.providers.asking import AskingProvider, ask_together

#: Seconds between two questions where a provider does not say.
INTERVAL = 60.0
#: Seconds over which there are no more questions than the interval allows.
WINDOW = 600.0
#: The part of these questions that is kept for news.
SPARE = 0.3
#: Seconds from news to the question, when it was sudden and when it was expected.
SUDDEN, EXPECTED = 0.5, 5.0
#: How much longer each further question waits while there is something to be learnt.
BACK_OFF = 8.0


class Timetable:
    """Says when to ask a batch system next.

    Over any ten minutes there are at most as many questions as the interval allows. Some of them are kept for news, so
    without any there are a few less.

    - `interval`: seconds between two questions, on average.
    - `clock`: the time in seconds.

    Examples
    --------
    >>> now = 0.0
    >>> table = Timetable(60.0, lambda: now)
    >>> table.wait()
    60.0
    >>> table.news()
    >>> table.wait()
    0.5
    """

    def __init__(self, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval = interval
        self._clock = clock
        most = max(1.0, WINDOW // interval)
        self._room = max(1.0, most * SPARE)
        self._rate = (most - self._room) / WINDOW if most >= 4 else 1 / interval
        self._left = self._room
        self._counted = clock()
        self._due = clock() + interval
        self._wanted = 0.0
        self._pause = interval

    def _count(self) -> float:
        now = self._clock()
        self._left = min(self._room, self._left + (now - self._counted) * self._rate)
        self._counted = now
        return now

    def news(self, sudden: bool = True) -> None:
        """There is something to be learnt.

        - `sudden`: whether something has happened. Else something is expected to happen, as after a submission, and the
          last question that may be asked now is not used for it.
        """
        now = self._count()
        soon = min(self.interval, SUDDEN if sudden else EXPECTED)
        if not self._wanted or sudden or now + soon < self._due:
            self._wanted = 1.0 if sudden else min(2.0, self._room)
        self._due = min(self._due, now + soon)
        self._pause = min(self._pause, soon)

    def asked(self, settled: bool, really: bool = True) -> None:
        """It was time, and a question was asked, if there was any.

        - `settled`: whether there is nothing left to be learnt soon.
        - `really`: whether a question was asked.
        """
        now = self._count()
        self._left -= really
        self._pause = self.interval if settled else min(self.interval, self._pause * BACK_OFF)
        self._wanted = 0.0 if self._pause >= self.interval else min(2.0, self._room)
        self._due = now + self._pause

    def wait(self) -> float:
        """Seconds until the next question."""
        now = self._count()
        lacking = (self._wanted or self._room) - self._left
        return max(0.0, self._due - now, lacking / self._rate if lacking > 1e-9 else 0.0)


class Desk:
    """One batch system, and those in this process who want to know of jobs there.

    - `key`: what the providers of one batch system have in common.
    """

    def __init__(self, key: Hashable, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.key = key
        self.table = Timetable(interval, clock)
        self.members: list[Asked] = []
        self._asking = threading.Lock()
        self._changing = threading.Lock()

    def news(self, sudden: bool = True) -> None:
        """Ask sooner: there is something to be learnt."""
        with self._changing:
            self.table.news(sudden)

    def wait(self) -> float:
        """Seconds until it is time to ask."""
        with self._changing:
            return self.table.wait()

    def look_if_due(self) -> None:
        """Ask if it is time, and nobody else is at it."""
        if self.wait() <= 0 and self._asking.acquire(blocking=False):
            try:
                if self.wait() <= 0:
                    self._look()
            finally:
                self._asking.release()

    def look_for(self, jobs: Asked) -> None:
        """Ask for one executor now, at its end. The timetable takes no notice of these few questions."""
        with self._asking:
            self._ask([(jobs, jobs.open_blocks())])

    def _look(self) -> None:
        wanted = [(jobs, blocks) for jobs in self.members if (blocks := jobs.open_blocks())]
        try:
            if wanted:
                self._ask(wanted)
        finally:
            with self._changing:
                self.table.asked(all(jobs.settled() for jobs, _ in wanted), len(wanted) > 0)

    def _ask(self, wanted: Sequence[tuple[Asked, list[Block]]]) -> None:
        askers = {id(jobs.provider): jobs.provider for jobs, _ in wanted if asks_by_command(jobs.provider)}
        if askers:
            ask_together(list(askers.values()))
        for jobs, blocks in wanted:
            jobs.take(blocks)


def asks_by_command(provider: Any) -> bool:
    """Whether one command can ask after this provider's jobs and those of others."""
    if not isinstance(provider, AskingProvider):
        return False
    kind = type(provider)  # of the user's own, it may ask in another way
    return kind.status is AskingProvider.status and kind._status is AskingProvider._status


_desks: dict[Hashable, Desk] = {}
_joining = threading.Lock()


def join(jobs: Asked) -> Desk:
    """The desk of an executor's batch system, which is now asked for that executor, too."""
    provider = jobs.provider
    key: Hashable = provider.batch_system if asks_by_command(provider) else id(provider)
    with _joining:
        desk = _desks.get(key)
        if desk is None:
            wanted = getattr(provider, "status_polling_interval", None)
            desk = _desks[key] = Desk(key, max(SUDDEN, float(wanted)) if wanted else INTERVAL)
        desk.members = [*desk.members, jobs]
    return desk


def leave(jobs: Asked, desk: Desk) -> None:
    """An executor wants to know nothing more."""
    with _joining:
        desk.members = [other for other in desk.members if other is not jobs]
        if not desk.members and isinstance(desk.key, int):
            # another provider may get this id; what was asked of a batch system still counts
            _desks.pop(desk.key, None)
