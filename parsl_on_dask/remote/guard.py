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
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from . import journal
from .limits import LOOK, Limits

logger = logging.getLogger("distributed.nanny")

#: Names of a worker's journal, and of the list of its clients, in the worker's own directory.
NAME, CLIENTS = "parsl", "parsl.clients"
#: Seconds after which a client that a worker does not know any more has gone.
ABSENCE = 5.0
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


def note_clients(worker: Any, clients: list[str]) -> None:
    """Tell a worker's nanny its clients; while there are any, note what calls are allowed, if it can end the worker."""
    if not worker.nanny:
        return
    where = journal.path_of(worker.local_directory, NAME), os.path.join(worker.local_directory, CLIENTS)
    if clients:
        with open(where[1], "w") as file:
            file.write("\n".join(clients))
        if journal.kept is None and can_be_ended(worker.nanny, worker.state.nthreads):
            journal.keep(journal.Journal(where[0]))
        return
    journal.keep(None)
    for path in where:
        with suppress(OSError):
            os.unlink(path)


def enter(nanny: Any, client: str, plugin: str) -> None:
    """A client will send calls to the worker of a nanny, and has a plugin there. In the nanny's event loop."""
    guard = _guards.get(id(nanny))
    if guard is None:
        guard = _guards[id(nanny)] = Guard(nanny)
    guard.clients[client] = plugin


def leave(nanny: Any, client: str) -> bool:
    """A client has left; returns whether it was the last one for all nannies of this process."""
    guard = _guards.get(id(nanny))
    if guard is not None:
        guard.clients.pop(client, None)
        guard.missed.pop(client, None)
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
    """Looks after the worker of one nanny.

    While a worker is started anew its scheduler does not know the nanny, so a client that leaves then cannot take its
    plugin away. The new worker does not have that client's plugin, by which it is found to have left.
    """

    def __init__(self, nanny: Any) -> None:
        from tornado.ioloop import PeriodicCallback

        super().__init__()
        self.nanny = nanny
        #: the plugin of each client
        self.clients: dict[str, str] = {}
        #: how often the worker did not know a client
        self.missed: dict[str, int] = {}
        self.doing: set[asyncio.Future[None]] = set()
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
        if path:
            self.look_at_clients(os.path.join(self.nanny.worker_dir, CLIENTS))

    def look_at_clients(self, path: str) -> None:
        """Remove the plugins of clients that have left."""
        known: list[str] = []
        with suppress(OSError), open(path) as file:  # there are none
            known = file.read().split()
        for client in [client for client in self.clients if client in known]:
            self.missed.pop(client, None)
        for client in self.clients.keys() - set(known):
            self.missed[client] = self.missed.get(client, 0) + 1
            if self.missed[client] == ABSENCE // LOOK:
                self.do(self.nanny.plugin_remove(self.clients[client]))

    def do(self, work: Coroutine[Any, Any, Any]) -> None:
        doing = asyncio.ensure_future(work)
        self.doing.add(doing)
        doing.add_done_callback(self.doing.discard)

    def end_call(self, number: int) -> None:
        with suppress(OSError):
            journal.end_call(self.path, number)

    def end(self, pid: int) -> None:
        self.do(self._tell_and_end(pid))

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
