"""Ends workers of an existing cluster whose running call does not keep to its limits. Runs in Dask's nannies.

A nanny keeps one worker process, and starts another one when that ends. What the running call is allowed stands in the
worker's journal, where the worker runs one call at a time and has a nanny. Before a worker is ended, the clients are
told why, which call it ran and what its last reports were: so they know it before they hear of the worker's death.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress
from typing import Any

from . import journal
from .limits import LOOK, Limits

logger = logging.getLogger("distributed.nanny")

#: Name of a worker's journal, in the worker's own directory.
NAME = "parsl"
#: Seconds that telling the clients may take.
SAYING = 2.0
#: Seconds that what a call has started may take to end by itself.
GRACE = 1.0

_guards: dict[int, Guard] = {}


def can_be_ended(nanny: Any, nthreads: Any) -> bool:
    """Whether a worker with this nanny and so many threads can be ended for one of its calls."""
    return bool(nanny) and nthreads == 1 and hasattr(signal, "SIGSTOP")


def topic_for(client: str) -> str:
    """The topic on which a client is told of workers that are ended."""
    return f"parsl-{client}-ends"


def keep_journal(worker: Any) -> None:
    """Have a worker note what its calls are allowed, if its nanny can end it."""
    if journal.kept is None and can_be_ended(worker.nanny, worker.state.nthreads):
        journal.keep(journal.Journal(journal.path_of(worker.local_directory, NAME)))


def drop_journal(worker: Any) -> None:
    """Note nothing any more."""
    if journal.kept is not None:
        journal.keep(None)
        with suppress(OSError):
            os.unlink(journal.path_of(worker.local_directory, NAME))


def enter(nanny: Any, client: str) -> None:
    """A client will send calls to the worker of a nanny. In the nanny's event loop."""
    if not can_be_ended(nanny, nanny.nthreads):
        return
    guard = _guards.get(id(nanny))
    if guard is None:
        guard = _guards[id(nanny)] = Guard(nanny)
    guard.clients.add(client)


def leave(nanny: Any, client: str) -> bool:
    """A client has left; returns whether it was the last one for all nannies of this process."""
    guard = _guards.get(id(nanny))
    if guard is not None:
        guard.clients.discard(client)
        if not guard.clients:
            guard.stop()
            del _guards[id(nanny)]
    return not _guards


def end(nanny: Any, number: int) -> None:
    """Have a call ended, with the worker of a nanny, if it runs there."""
    guard = _guards.get(id(nanny))
    if guard is not None:
        guard.end_call(number)


class Guard(Limits):
    """Looks after the worker of one nanny."""

    def __init__(self, nanny: Any) -> None:
        from tornado.ioloop import PeriodicCallback

        super().__init__()
        self.nanny = nanny
        self.clients: set[str] = set()
        self.telling: set[asyncio.Future[None]] = set()
        self.callback = PeriodicCallback(self.turn, LOOK * 1000)
        self.callback.start()

    def stop(self) -> None:
        self.callback.stop()

    @property
    def path(self) -> str:
        """The journal of the worker, "" while there is none."""
        folder = self.nanny.worker_dir
        return journal.path_of(folder, NAME) if folder else ""

    def turn(self) -> None:
        pid, path = self.nanny.pid, self.path
        for gone in self.exceeded.keys() - {pid}:
            del self.exceeded[gone]
        self.look({pid: path} if pid and path else {})

    def end_call(self, number: int) -> None:
        with suppress(OSError):
            journal.end_call(self.path, number)

    def end(self, pid: int) -> None:
        telling = asyncio.ensure_future(self._tell_and_end(pid))
        self.telling.add(telling)
        telling.add_done_callback(self.telling.discard)

    async def _tell_and_end(self, pid: int) -> None:
        import psutil

        began: list[Any] = []
        try:
            number, records = journal.read(self.path) or (0, [])
            nanny = self.nanny
            message = {
                "worker": str(nanny.worker_address if nanny.name is None else nanny.name),
                "last": [number, records],
                "why": self.exceeded[pid],
            }
            began = psutil.Process(pid).children(recursive=True)
            told = nanny.scheduler.log_event(topic=[topic_for(client) for client in self.clients], msg=message)
            await asyncio.wait_for(told, SAYING)
        except Exception:  # the call has to end all the same
            logger.warning("cannot tell why a worker is ended", exc_info=True)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # commands have a process that ends them when their worker is gone
        began = [process for process in began if not _is_reaper(process)]
        _signal(began, signal.SIGTERM)
        await asyncio.sleep(GRACE)
        _signal(began, signal.SIGKILL)


def _is_reaper(process: Any) -> bool:
    with suppress(Exception):  # it has ended
        return "parsl-reaper" in process.cmdline()
    return True


def _signal(processes: list[Any], number: int) -> None:
    for process in processes:
        with suppress(Exception):  # it has ended
            process.send_signal(number)
