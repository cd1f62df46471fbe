"""Nodes on which calls fail that succeed elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

#: So many calls of an app have to fail on a node one after the other, and so many to succeed elsewhere.
ENOUGH = 5
#: Of the calls elsewhere no more than this part may fail.
STRAY = 0.1
#: Of how many apps, and how many nodes, something is remembered: the last ones.
KEPT = 1024


class Faults:
    """Counts failures by node, for apps that fail somewhere.

    An app whose calls fail everywhere now and then is at fault itself. A node is blamed when all calls of an app fail
    there for a while, and nearly none elsewhere. Used by a lane's thread only.

    - `place_of`: the node of a worker, by name; None where nodes cannot be told apart.
    - `blame`: called with a node and the reason.

    - `suspected`: by app, for those of which a call has failed, then by node: how many calls failed since the last one
      that succeeded, failed, succeeded.

    Examples
    --------
    >>> faults = Faults(lambda worker: worker[:2], lambda node, why: print(node, why))
    >>> for _ in range(5):
    ...     faults.failed("n1-0", "app", "OSError")
    ...     faults.worked("n2-0", "app")
    n1 5 calls failed there that succeed elsewhere, the last one with OSError
    """

    def __init__(self, place_of: Callable[[str], str | None], blame: Callable[[str, str], None]) -> None:
        self.place_of = place_of
        self.blame = blame
        self.suspected: dict[Hashable, dict[str, list[int]]] = {}
        self._last: dict[str, str] = {}

    def failed(self, worker: str, app: Hashable, error: str) -> None:
        """A call of an app failed on a worker."""
        place = self.place_of(worker)
        if place is None:
            return
        counts = _at(place, _at(app, self.suspected, dict), lambda: [0, 0, 0])
        counts[0] += 1
        counts[1] += 1
        _at(place, self._last, str)
        self._last[place] = error
        self._judge(app)

    def worked(self, worker: str, app: Hashable) -> None:
        """A call succeeded. Of an app of which none has failed this need not be told."""
        places = self.suspected.get(app)
        place = self.place_of(worker)
        if places is None or place is None:
            return
        counts = _at(place, places, lambda: [0, 0, 0])
        counts[0] = 0
        counts[2] += 1
        self._judge(app)

    def _judge(self, app: Hashable) -> None:
        places = self.suspected[app]
        all_failed, all_worked = (sum([counts[i] for counts in places.values()]) for i in (1, 2))
        for place, (in_a_row, failed, worked) in list(places.items()):
            others = all_worked - worked
            if in_a_row >= ENOUGH and others >= ENOUGH and all_failed - failed <= STRAY * others:
                del places[place]
                why = f"{in_a_row} calls failed there that succeed elsewhere, the last one with {self._last[place]}"
                self.blame(place, why)


def _at(key: Any, table: dict[Any, Any], new: Callable[[], Any]) -> Any:
    """What a table has for a key; where that is new, the oldest one makes room for it."""
    if key not in table:
        if len(table) >= KEPT:
            del table[next(iter(table))]
        table[key] = new()
    return table[key]
