"""Knows which workers a scheduler has, without asking."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

logger = logging.getLogger("parsl.clusters.roster")

#: Topic on which the scheduler tells which workers come and go.
TOPIC = "parsl-on-dask-workers"
#: Names of workers: the block, the node where there are others, the rank.
_NAME = re.compile(r"-block([^-]+)(?:-((?!block)[^-]+))?-[^-]+$")
#: Seconds between full lists of workers, should news get lost.
REFRESH = 30.0
#: Seconds that the first list may take; without it a kernel begins all the same.
PATIENCE = 10.0


class Member(NamedTuple):
    """A worker."""

    name: str
    block: str | None
    node: str | None
    host: str
    pid: int | None
    python: str | None
    nthreads: int
    machine: str
    nanny: str | None


def parts_of(worker: str) -> tuple[str | None, str | None]:
    """Block and node of a worker, by its name.

    Examples
    --------
    >>> parts_of("hpc-block7-0b5e1f2a-3"), parts_of("here-block0-3"), parts_of("somebody")
    (('7', '0b5e1f2a'), ('0', None), (None, None))
    """
    found = _NAME.search(worker)
    return (None, None) if found is None else (found[1], found[2])


def about(identity: dict[str, Any]) -> dict[str, Any]:
    """What is kept of what a scheduler knows about a worker."""
    return {key: identity.get(key) for key in (*Member._fields, "hostname")}


def member_of(known: dict[str, Any]) -> Member:
    """A worker, from what its scheduler tells (:func:`about`)."""
    name = str(known["name"])
    host = str(known["hostname"] or known["host"])
    pid, python, slots, nanny = (known[key] for key in ("pid", "python", "nthreads", "nanny"))
    return Member(name, *parts_of(name), host, pid, python, int(slots), known["machine"] or host, nanny)


def announcer() -> Any:
    """A plugin of schedulers that tells on :data:`TOPIC` which workers come and go.

    A client that asks there is told of all that are there, and from then on. One connection carries both, so that the
    list is never older than the news before it, and nobody comes between the two.
    """
    from distributed import SchedulerPlugin

    class Announcer(SchedulerPlugin):
        name = "parsl-on-dask-announcer"

        async def start(self, scheduler: Any) -> None:
            self.scheduler = scheduler

        def log_event(self, topic: str, message: Any) -> None:
            if topic == TOPIC and "asks" in message:
                client, scheduler = message["asks"], self.scheduler
                scheduler.subscribe_topic(TOPIC, client)
                here = {address: about(worker.identity()) for address, worker in scheduler.workers.items()}
                event = (time.time(), {"here": here})
                scheduler.report({"op": "event", "topic": TOPIC, "event": event}, client=client)

        def add_worker(self, scheduler: Any, worker: str) -> None:
            scheduler.log_event(TOPIC, {"came": worker, "as": about(scheduler.workers[worker].identity())})

        def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
            scheduler.log_event(TOPIC, {"went": worker})

    return Announcer()


class Watcher(Protocol):
    """What is told of workers that come and go."""

    def greet(self, worker: Member) -> None: ...
    def miss(self) -> None: ...
    def on_change(self) -> None: ...
    def on_notice(self, leaving: list[tuple[str, str]], seconds: float) -> None: ...


class Roster:
    """The workers of a cluster.

    - `workers`: by address. It changes by one worker at a time, so that one that comes or goes costs the same among
      many; who goes through it takes a copy, :meth:`members`.
    - `slots`: number of calls that they can run at a time.
    - `of_blocks`: the same for each block that has workers.
    """

    def __init__(self, cluster: Watcher) -> None:
        self.cluster = cluster
        self.workers: dict[str, Member] = {}
        self.slots = 0
        self.refreshed = 0.0
        self.of_blocks: Counter[str | None] = Counter()
        self._machines: dict[str | None, str] = {}
        self._changing = threading.Lock()
        self._listed = threading.Event()

    def begin(self, client: Any) -> None:
        """Listen to what the scheduler tells; returns when it has told of the workers that are there."""
        client.subscribe_topic(TOPIC, self._news)
        client.sync(self._ask, client)
        self._listed.wait(PATIENCE)

    def refresh(self, client: Any) -> None:
        """Ask for the whole list when it is time."""
        if time.monotonic() - self.refreshed >= REFRESH:
            self.ask(client)

    def ask(self, client: Any) -> None:
        """Ask for the whole list, without waiting for the answer."""
        self.refreshed = time.monotonic()

        async def ask() -> None:
            try:
                await self._ask(client)
            except Exception:
                logger.debug("no list of workers from the scheduler", exc_info=True)

        client.loop.add_callback(ask)

    async def _ask(self, client: Any) -> None:
        await client.scheduler.log_event(topic=TOPIC, msg={"asks": client.id})

    def _news(self, event: tuple[float, Any]) -> None:
        """A worker has come or gone, or is to leave. In the client's event loop."""
        news = event[1]
        if "leaves" in news:
            self._leave(news["leaves"], news["seconds"])
        elif "came" in news:
            self._change({news["came"]: member_of(news["as"])}, ())
        elif "went" in news:
            self._change({}, [news["went"]])
        elif "here" in news:
            self.take(news["here"])
            self._listed.set()

    def _leave(self, names: list[str], seconds: float) -> None:
        # a worker that has replaced another one has that one's name, with a number behind it
        leaving = [(a, w.name) for a, w in self.workers.items() if w.name.partition(".")[0] in names or w.name in names]
        if leaving:
            shown = ", ".join(name for _, name in leaving)
            logger.info("The batch system ends the job of workers %s: they take no more calls", shown)
            self.cluster.on_notice(leaving, seconds)

    def take(self, identities: dict[str, Any]) -> None:
        """Take over the whole list, as a scheduler gives it."""
        came = {a: member_of(about(known)) for a, known in identities.items() if a not in self.workers}
        self._change(came, self.workers.keys() - identities.keys())

    def _change(self, came: Mapping[str, Member], went: Iterable[str]) -> None:
        with self._changing:
            new = {address: worker for address, worker in came.items() if address not in self.workers}
            old = {address: worker for address in went if (worker := self.workers.get(address)) is not None}
            self.workers.update(new)
            for address in old:
                del self.workers[address]
            for worker in new.values():
                self._count(worker, worker.nthreads)
                self._machines[worker.node] = worker.machine
            for worker in old.values():
                self._count(worker, -worker.nthreads)
            deserted = {worker.block for worker in old.values()} - self.of_blocks.keys()
        for worker in new.values():
            self.cluster.greet(worker)
        if deserted:
            self.cluster.miss()
        if new or old:
            self.cluster.on_change()

    def _count(self, worker: Member, slots: int) -> None:
        self.slots += slots
        self.of_blocks[worker.block] += slots
        if not self.of_blocks[worker.block]:
            del self.of_blocks[worker.block]

    def members(self) -> list[tuple[str, Member]]:
        """The workers by address, for any thread."""
        return list(self.workers.items())

    def machine_of(self, worker: str) -> str | None:
        """The machine that a worker is, or was, on, by its name."""
        return self._machines.get(parts_of(worker)[1])

    def blocks(self) -> set[str | None]:
        """Ids of the blocks that have workers."""
        return set(list(self.of_blocks))

    def largest_block(self) -> int:
        """Number of calls that the largest block can run at a time."""
        return max(list(self.of_blocks.values()), default=0)


class PolledRoster(Roster):
    """The workers of a cluster whose scheduler has no :func:`announcer`."""

    def __init__(self, cluster: Watcher) -> None:
        super().__init__(cluster)
        self._asked = self._answered = 0

    async def _ask(self, client: Any) -> None:
        self._asked += 1
        number = self._asked
        identities = (await client.scheduler.identity(n_workers=-1))["workers"]
        if number > self._answered:  # answers may overtake each other
            self._answered = number
            self.take(identities)
