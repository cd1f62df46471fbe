"""Has the disk take what was written, in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from parsl_on_dask.common.late_threads import no_more_threads

logger = logging.getLogger("parsl.dataflow.memoization")

#: A result is on disk at most this many seconds after it was put (what the disk itself takes is added).
WITHIN = 1.0

_DELAY = WITHIN / 2


class Syncer:
    """Calls a function soon after :meth:`wake`, on a thread of its own that sleeps in between.

    `sync`: it must not raise.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._woken = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoint-sync", daemon=True)
        self._started = not no_more_threads()  # else only the last round is left
        if self._started:
            self._thread.start()

    def wake(self) -> None:
        """There is something to be put on disk."""
        # asked first, since setting takes a lock that most calls can do without
        if not self._woken.is_set():
            self._woken.set()

    def stop(self) -> None:
        """End the thread; the caller does the last round."""
        self._stop.set()
        self._woken.set()
        if self._started:
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._woken.wait()
            if self._stop.wait(_DELAY):
                return
            # before the round, so that what is put during it gets a round of its own
            self._woken.clear()
            if self._stop.is_set():  # stop() came between the two, and will not wake this again
                return
            try:
                self._sync()
            except Exception:
                logger.exception("Cannot put checkpoints on disk")
