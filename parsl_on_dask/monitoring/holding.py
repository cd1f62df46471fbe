"""Events that wait for the last one of their task, so that all of a short task is written at once.

A row that is changed later costs two; and rows that come in the order of their keys cost half of others.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from operator import itemgetter

from parsl_on_dask.common.states import FINAL_STATES
from parsl_on_dask.monitoring.rows import MESSAGE, Event

#: Seconds for which the events of a task wait for its end while more events come in than are written.
PATIENCE = 60.0

_FINAL = frozenset(map(int, FINAL_STATES))


class Holding:
    """Puts events in the order of their tasks."""

    def __init__(self) -> None:
        #: By task: since when, and its events. The eldest come first.
        self._held: dict[int, tuple[float, list[Event]]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def take(self, events: Iterable[Event], now: float, patience: float, most: int) -> list[Event]:
        """Those of ended tasks among some new events and the held ones, and what has waited long enough.

        - `patience`: seconds.
        - `most`: how many events of tasks that go on.
        """
        held = self._held
        ready: list[Event] = []
        ended: list[tuple[int, list[Event]]] = []
        for event in events:
            kind = event[0]
            if kind >= MESSAGE:
                ready.append(event)
                continue
            number = event[1].id
            known = held.get(number)
            if kind in _FINAL:
                if known is None:
                    ended.append((number, [event]))
                else:
                    known[1].append(event)
                    ended.append((number, known[1]))
                    del held[number]
            elif known is None:
                held[number] = (now, [event])
            else:
                known[1].append(event)
        ended.sort(key=itemgetter(0))  # they end in the order of workers
        ready += chain.from_iterable(events for _, events in ended)
        if held:
            self._let_go(ready, now - patience, len(ready) + most)
        return ready

    def _let_go(self, ready: list[Event], before: float, most: int) -> None:
        late = []
        for number, (since, events) in self._held.items():
            if since > before or len(ready) >= most:
                break
            ready += events
            late.append(number)
        for number in late:
            del self._held[number]

    def clear(self) -> list[Event]:
        """All that is held, which is held no more."""
        events = list(chain.from_iterable(events for _, events in self._held.values()))
        self._held.clear()
        return events
