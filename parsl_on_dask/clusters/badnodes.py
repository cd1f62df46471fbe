"""Finds nodes that are at fault: blocks die there, or calls fail there that succeed elsewhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection

logger = logging.getLogger("parsl.clusters.badnodes")

#: So many blocks have to die young on a node, without one that lives, for it to be left out.
DEATHS = 2
#: If blocks die on so many nodes, or groups of them, and live nowhere, that is not the nodes' fault.
EVERYWHERE = 3
#: Seconds after which a node is taken back.
REST = 1800.0
#: The most nodes that are left out at a time.
MOST = 16


class BadNodes:
    """The nodes that blocks are to keep away from. Any thread may use it.

    - `label`: name of the executor, for the log.
    - `clock`: the time in seconds.

    Examples
    --------
    >>> nodes = BadNodes("hpc")
    >>> nodes.died(["node1"], "exit code 1")
    >>> nodes.left_out()
    ()
    >>> nodes.died(["node1"], "exit code 1")
    >>> nodes.left_out()
    ('node1',)
    """

    def __init__(self, label: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.label = label
        self._clock = clock
        self._lock = threading.Lock()
        self._deaths: dict[str, int] = {}
        self._apart: list[frozenset[str]] = []
        self._until: dict[str, tuple[float, str]] = {}
        self._some_live = False

    def died(self, nodes: Collection[str], why: str) -> None:
        """A block on these nodes died young."""
        here = frozenset(nodes)
        if not here:
            return
        with self._lock:
            if not any(here & others for others in self._apart):
                self._apart.append(here)
            if len(self._apart) >= EVERYWHERE and not self._some_live:
                if self._until:
                    logger.warning(
                        "Executor %s: blocks die on other nodes, too, so none is avoided any more", self.label
                    )
                self._until.clear()
                self._deaths.clear()
                return
            for node in here:
                self._deaths[node] = self._deaths.get(node, 0) + 1
            for node in [node for node in here if self._deaths[node] >= DEATHS and node not in self._until]:
                self._leave_out(node, f"{self._deaths[node]} blocks failed there early: {why}")

    def lived(self, nodes: Collection[str]) -> None:
        """A block on these nodes did not die young."""
        with self._lock:
            self._some_live = True
            self._apart.clear()
            for node in nodes:
                self._deaths.pop(node, None)

    def blame(self, node: str, why: str) -> bool:
        """Leave a node out, for a reason that is known elsewhere; False when it was left out already."""
        with self._lock:
            if node in self._until:
                return False
            self._leave_out(node, why)
            return True

    def _leave_out(self, node: str, why: str) -> None:
        if len(self._until) >= MOST:
            del self._until[min(self._until, key=lambda name: self._until[name][0])]
        self._until[node] = (self._clock() + REST, why)
        self._deaths[node] = DEATHS - 1  # when it is taken back, one more is enough
        logger.warning("Executor %s: node %s is avoided for %.0f minutes: %s", self.label, node, REST / 60, why)

    def left_out(self) -> tuple[str, ...]:
        """The nodes that blocks are to keep away from now."""
        with self._lock:
            now = self._clock()
            for node in [node for node, (until, _) in self._until.items() if until <= now]:
                del self._until[node]
                logger.info("Executor %s: node %s is used again", self.label, node)
            return tuple(self._until)

    def forgive(self) -> bool:
        """Take all nodes back, since nothing is left without them; False when none was left out."""
        with self._lock:
            some = bool(self._until)
            self._until.clear()
            return some

    def text(self) -> str:
        """What is to be told about it in a status; ``""`` when no node is left out."""
        if not self.left_out():
            return ""
        with self._lock:
            return "; ".join(f"{node} is left out: {why}" for node, (_, why) in self._until.items())
