"""A script that a resident has at the moment."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from parsl_on_dask.common.processes_here import alive, process_of
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.linger.wire import Functions, Wire, packed

logger = logging.getLogger("parsl.linger.visits")


class Visit:
    """A script that is here: what is sent to it leaves in a thread of its own, so that nobody waits for the script."""

    def __init__(self, wire: Wire, pid: int) -> None:
        self.wire = wire
        self.pid = pid
        self._process = process_of(pid)
        self.since = time.time()
        self.gone = threading.Event()
        self.functions = Functions()
        self.outgoing: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()

    def begin(self) -> None:
        """Begin to send: what was to be sent before leaves now."""
        threading.Thread(target=self._write, name="parsl-resident-writer", daemon=True).start()

    def send(self, *message: Any) -> None:
        """Send a message, some time."""
        self.outgoing.put(message)

    def look(self) -> bool:
        """End the visit of a script that has died, also when a child that it has forked holds the connection.

        Returns whether it has; :attr:`gone` is set when all has been read that it has said.
        """
        dead = self._process is not None and not alive(self._process)
        if dead:
            self.wire.close()
        return dead

    def _write(self) -> None:
        while (message := self.outgoing.get()) is not None:
            try:
                self.wire.send(message)
            except OSError:  # it has gone; who reads sees that, too
                return
            except Exception:  # as for want of memory: nobody is to wait for what does not come
                logger.exception("A message cannot be sent: %s", message[0])
                self.wire.close()
                return


class Watch:
    """Stands for the script's observer on a lane: what it would be told goes to the script."""

    def __init__(self, tell: Callable[..., None], label: str, monitor: Any) -> None:
        self._tell = tell
        self._label = label
        self._monitor = monitor

    def asked_of(self, executor: Any) -> Any:
        """What workers are to sample."""
        return self._monitor

    def message(self, message: Any) -> None:
        """A call has told something."""
        self._tell("message", self._label, packed(message))

    def seen(self, call: Call, worker: str, host: str, *sample: Any) -> None:
        """A call was looked at while it ran."""
        for number in list(call.owner.numbers):
            self._tell("seen", self._label, number, worker, host, sample)
