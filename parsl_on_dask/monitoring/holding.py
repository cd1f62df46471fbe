"""Events that wait for the last one of their task, so that all of a short task is written at once.

A row that is changed later costs two; and rows that come in the order of their keys cost half of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from parsl_on_dask.common.states import FINAL_STATES
from parsl_on_dask.monitoring.rows import MESSAGE, WIDTH, Event, Group

#: Seconds for which the events of a task wait for its end while more events come in than are written.
PATIENCE = 60.0

_FINAL = frozenset(map(int, FINAL_STATES))


class Holding:
    """Puts events in the order of their tasks."""

    def __init__(self) -> None:
        #: By task: those that have waited longest come first.
        self._held: dict[int, Group] = {}

    def __len__(self) -> int:
        return len(self._held)

    def take(self, events: Iterable[Event], now: float, patience: float, most: int) -> list[Group]:
        """Those of ended tasks among some new events and the held ones, and what has waited long enough.

        - `patience`: seconds.
        - `most`: how many events of tasks that go on.
        """
        held = self._held
        others: list[Group] = []
        ended: dict[int, Group] = {}
        last: Any = None
        group: Group = []
        for kind, record, try_id, when, extra in events:
            if kind >= MESSAGE:
                others.append([now, kind, record, try_id, when, extra])
                continue
            if record is not last:  # mostly, several events of a task come together
                last = record
                number = record.id
                known = held.get(number)
                if known is None:
                    known = held[number] = [now]
                group = known
            group += (kind, record, try_id, when, extra)
            if kind in _FINAL:
                ended[number] = held.pop(number)
                last = None
        # they end in the order of workers
        ready = others + [ended[number] for number in sorted(ended)]
        if held:
            ready += self._let_go(ended, now - patience, most)
        return ready

    def _let_go(self, ended: dict[int, Group], before: float, most: int) -> Iterator[Group]:
        late: list[int] = []
        count = 0
        for number, group in self._held.items():
            if group[0] > before or count >= most:
                break
            late.append(number)
            count += len(group) // WIDTH
        for number in late:
            group = self._held.pop(number)
            known = ended.get(number)
            if known is None:
                yield group
            else:  # what came after its end
                known += group[1:]

    def clear(self) -> list[Any]:
        """All that is held, which is held no more: the values of events, one after the other."""
        values = list(chain.from_iterable(islice(group, 1, None) for group in self._held.values()))
        self._held.clear()
        return values
