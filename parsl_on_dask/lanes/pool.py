"""Threads over one queue, which hand their places over to each other. Nothing of Dask's is needed for them."""

from __future__ import annotations

import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

#: What a thread is woken with to look what else there is to do.
_LOOK = None


class Pool:
    """Takes items from a queue, on as many threads at a time as there are places.

    Threads start when there is work. One that waits for something may leave its place to another one, and come back;
    that is what ``distributed.secede`` and ``rejoin`` ask for.

    - `prefix`: how the names of the threads begin.
    - `take`: gets each item. Should raise nothing.
    """

    def __init__(self, places: int, prefix: str, take: Callable[[Any], None]) -> None:
        self.places = places
        self.prefix = prefix
        self.take = take
        #: Called by each thread first of all.
        self.begin: Callable[[], None] | None = None
        self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.lock = threading.Lock()
        #: Threads that have a place.
        self.threads = 0
        self.ended = False
        self._idle = 0
        self._numbers = itertools.count()
        self._away: set[int] = set()
        self._returning: deque[Callable[[], Any]] = deque()

    def fill(self) -> None:
        """Start all threads now."""
        for _ in range(self.places):
            self.threads += 1
            self._start()

    def put(self, item: Any) -> None:
        """Have an item taken."""
        self.queue.put(item)
        if self.threads < self.places:
            self._look_for_help()

    def end(self) -> None:
        """Let the threads end, when they have taken what is in the queue."""
        with self.lock:
            self.ended = True
        self.queue.put(_LOOK)

    def leave(self) -> bool:
        """Give the calling thread's place to another one. False when it has none."""
        me = threading.get_ident()
        with self.lock:
            if me in self._away:
                return False
            self._away.add(me)
            self.threads -= 1
        self._look_for_help()
        return True

    def come_back(self, there: Callable[[], Any]) -> None:
        """Have the calling thread get a place again; ``there`` is called when it has it, mostly by another thread."""
        with self.lock:
            self._away.discard(threading.get_ident())
            if self.threads >= self.places:
                self._returning.append(there)
                self.queue.put(_LOOK)  # for one that is idle; the others look when they have done what they do
                return
            self.threads += 1
        there()

    def _look_for_help(self) -> None:
        """Start a thread if an item waits that no idle one takes."""
        with self.lock:
            if self.threads >= self.places or self.queue.qsize() <= self._idle or self.ended:
                return
            self.threads += 1
        self._start()

    def _start(self) -> None:
        name = f"{self.prefix}_{next(self._numbers)}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except BaseException:
            with self.lock:
                self.threads -= 1
            raise

    def _next(self) -> Any:
        if self.queue.qsize():
            return self.queue.get()
        with self.lock:
            self._idle += 1
        item = self.queue.get()
        with self.lock:
            self._idle -= 1
        if self.threads < self.places:  # whoever put another one may have counted on this thread
            self._look_for_help()
        return item

    def _work(self) -> None:
        if self.begin is not None:
            self.begin()
        while True:
            item = self._next()
            if item is not _LOOK:
                self.take(item)
                if self._away and self._is_away():
                    return
            elif self.ended:
                self.queue.put(_LOOK)  # for the others
                if not self._hand_over():
                    with self.lock:
                        self.threads -= 1
                return
            del item
            if self._returning and self._hand_over():
                return

    def _is_away(self) -> bool:
        """Whether this thread has left its place, so that another one has it."""
        with self.lock:
            me = threading.get_ident()
            away = me in self._away
            self._away.discard(me)
            return away

    def _hand_over(self) -> bool:
        """Give this thread's place to one that comes back."""
        with self.lock:
            if not self._returning:
                return False
            there = self._returning.popleft()
        there()
        return True
