"""The direct connection between a client and a worker.

Calls and reports can travel through the Dask scheduler: calls inside Dask tasks, reports as events. That works
wherever Dask works and costs milliseconds. Once a client has seen a worker, it opens a connection to it, and calls
and reports of shifts that run there take the short way. The agent is the worker's end of that.
"""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from . import journal
from .children import keep_connections
from .execution import HANDED_BACK, HOST, CallData
from .internals import has_unsent
from .lasting import handler
from .packing import dumps

#: Name of the operation that a client opens a worker's connection with.
OPERATION = "parsl_on_dask_lane"

#: How many results a worker remembers, and how many bytes of them.
RESULTS_KEPT, BYTES_KEPT = 4096, 16_000_000
#: The same for functions, by the size of their pickles; the last one whatever its size.
FUNCTIONS_KEPT, FUNCTION_BYTES_KEPT = 256, 64_000_000

#: Messages, and bytes of them, after which the client says what it has read.
ACKNOWLEDGED, BYTES_ACKNOWLEDGED = 64, 1_000_000

#: What a client says, instead of the number of messages that it has read, when its lane ends.
GONE = -1

#: Seconds for which large results wait for Dask when the client's connection is gone, and between looks at that.
HELD, LOOK = 60.0, 0.5

#: Seconds for which a message is waited for that cannot leave, and between looks at that.
SLOW, SHORTLY = 1.0, 0.001

_agents: dict[tuple[int, str], Agent] = {}
_lock = threading.Lock()


class CommWriter:
    """Sends messages over a connection of Dask's as soon as they come; those that come meanwhile go together.

    Dask's own ``BatchedSend`` goes through the event loop seven times for a message. Each time it has to take the
    interpreter from the call that runs, which then costs that call more than its result does. Here it is twice.
    """

    def __init__(self, comm: Any) -> None:
        self.comm = comm
        self.messages: list[bytes | int] = []
        self.writing: asyncio.Future[None] | None = None
        self.broken = False

    def send(self, message: bytes | int) -> None:
        """Send a message, or the number of messages that were read. In the event loop.

        Raises OSError when the connection is gone.
        """
        if self.broken:
            raise OSError("the connection is closed")
        self.messages.append(message)
        if self.writing is None:
            self.writing = asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        try:
            while self.messages:
                messages, self.messages = self.messages, []
                await self.comm.write(messages)
        except Exception:  # closed, in one of Dask's many ways; whoever reads from it notices, too
            self.broken = True
            self.comm.abort()
        finally:
            self.writing = None


class ReportWriter(CommWriter):
    """The worker's end of a connection, which keeps what the client may not have read.

    `name`: the client's name for the connection.

    - `unread`: messages that the client has not acknowledged.
    - `first`: the number of the first of them.
    """

    def __init__(self, comm: Any, name: str) -> None:
        super().__init__(comm)
        self.name = name
        self.unread: deque[bytes] = deque()
        self.first = 0

    def send(self, message: bytes) -> None:  # type: ignore[override]
        super().send(message)
        self.unread.append(message)

    def acknowledge(self, count: int) -> None:
        """Take note that the client has read the first messages, so many of them."""
        while self.unread and self.first < count:
            self.unread.popleft()
            self.first += 1


@contextmanager
def agent_of(worker: Any, topic: str) -> Iterator[Agent]:
    """The agent of a lane on a worker, for as long as a shift or a connection needs it.

    It goes, with all that it remembers, when none of them does: its client has then left, or is gone without a word.
    Large results that Dask does not have yet hold it up for a while, since the connection may just have broken.
    """
    key = (id(worker), topic)
    with _lock:
        agent = _agents.get(key)
        if agent is None:
            agent = _agents[key] = Agent(worker, topic)
        agent.users += 1
    if OPERATION not in worker.handlers:
        worker.handlers[OPERATION] = handler(_answer, worker)
    keep_connections(worker)
    try:
        yield agent
    finally:
        with _lock:
            agent.users -= 1
            held = not agent.users and bool(agent.large)
            if not agent.users and not held:
                del _agents[key]
        if held:
            worker.loop.add_callback(_hold, worker, topic)


async def _hold(worker: Any, topic: str) -> None:
    with agent_of(worker, topic) as agent:
        until = time.monotonic() + HELD
        while agent.large and not agent.muted and time.monotonic() < until:
            await asyncio.sleep(LOOK)
        agent.large.clear()


def mute(worker: Any, client: str) -> None:
    """Tell a client nothing any more: it has left, or is gone."""
    with _lock:
        for (number, topic), agent in _agents.items():
            if number == id(worker) and client in topic:
                agent.mute()


async def _answer(worker: Any, comm: Any, topic: str, link: str) -> Any:
    from distributed.core import Status

    with agent_of(worker, topic) as agent:
        await agent.serve(comm, link)
    return Status.dont_reply


class Shift(Protocol):
    """A shift that is sent calls while it runs."""

    def add(self, calls: list[CallData], functions: dict[str, tuple[str, bytes]], patience: float) -> bool: ...
    def give_back(self) -> None: ...


class Agent:
    """The worker's end of one lane.

    - `connected`: whether the client has a connection to this worker.
    - `shifts`: the lane's shifts that run here, by id.
    - `functions`: name, function and size of those that were called last, by key.
    - `users`: how many shifts and connections need it.
    - `muted`: whether nobody is there any more to be told anything.
    - `results`: the last small results of calls, pickled: calls that were sent after these may take them.
    """

    def __init__(self, worker: Any, topic: str) -> None:
        self.worker = worker
        self.topic = topic
        self.connected = False
        self.shifts: dict[str, Shift] = {}
        self.functions: OrderedDict[str, tuple[str, Any, int]] = OrderedDict()
        self.function_bytes = 0
        self.users = 0
        self.muted = False
        self.results: OrderedDict[int, bytes] = OrderedDict()
        self.held = 0
        #: large results of calls, until Dask has them, by number
        self.large: dict[int, Any] = {}
        self.lock = threading.Lock()
        self.stream: Any = None

    def mute(self) -> None:
        """Tell the client nothing any more, and remember nothing for it."""
        self.muted = True
        self.results.clear()
        self.large.clear()

    def keep(self, number: int, data: bytes) -> None:
        """Remember a call's result for a while."""
        with self.lock:
            self.results[number] = data
            self.held += len(data)
            while self.held > BYTES_KEPT or len(self.results) > RESULTS_KEPT:
                self.held -= len(self.results.popitem(last=False)[1])

    def have(self, key: str, name: str, function: Any, size: int) -> None:
        """Remember a function for a while."""
        with self.lock:
            known = self.functions.pop(key, None)
            self.function_bytes += size - (known[2] if known is not None else 0)
            self.functions[key] = (name, function, size)
            while len(self.functions) > FUNCTIONS_KEPT or (
                self.function_bytes > FUNCTION_BYTES_KEPT and len(self.functions) > 1
            ):
                self.function_bytes -= self.functions.popitem(last=False)[1][2]

    def function(self, key: str) -> tuple[str, Any, int] | None:
        """A function that it remembers."""
        with self.lock:
            known = self.functions.get(key)
            if known is not None:
                self.functions.move_to_end(key)
            return known

    def send(self, message: bytes) -> None:
        """Give the client a pickled message. From any thread; order is kept."""
        self.worker.loop.add_callback(self._send, message)

    def wait_until_sent(self) -> None:
        """Wait until what was given to :meth:`send` has left this process, so that its death cannot take it along.

        Not to be called in the event loop. A connection that takes nothing is waited for for a second.
        """
        sent = threading.Event()

        async def look() -> None:
            until = time.monotonic() + SLOW
            try:
                while self._is_sending() and time.monotonic() < until:
                    await asyncio.sleep(SHORTLY)
                for _ in range(3):  # what Dask has taken from its list is written a turn of the loop later
                    await asyncio.sleep(0)
            finally:
                sent.set()

        self.worker.loop.add_callback(look)
        sent.wait(2 * SLOW)

    def _is_sending(self) -> bool:
        if self.connected and self.stream.messages:
            return True
        return has_unsent(self.worker)

    def _send(self, message: bytes) -> None:
        if self.connected:
            try:
                self.stream.send(message)
                return
            except Exception:  # the connection has just gone
                self._take_the_long_way(self.stream)
        if not self.muted:
            self.worker.log_event(self.topic, message)

    def _take_the_long_way(self, stream: ReportWriter) -> None:
        """Send again what a connection may have swallowed; the client leaves out what it has read."""
        stream.broken = True
        if self.stream is stream:  # else the client has another connection by now
            self.connected = False
        unread, stream.unread = stream.unread, deque()
        if not self.muted:
            for number, message in enumerate(unread, stream.first):
                self.worker.log_event(self.topic, (stream.name, number, message))

    async def serve(self, comm: Any, link: str) -> None:
        """Take what the client sends until it is gone."""
        stream = self.stream = ReportWriter(comm, link)
        self.connected = True
        stream.send(b"")
        try:
            while True:
                for message in await comm.read():
                    if message == GONE:
                        self.mute()
                    elif isinstance(message, int):
                        stream.acknowledge(message)
                    else:
                        self.take(*pickle.loads(message))
        except Exception:  # closed, in one of Dask's many ways
            pass
        finally:
            self._take_the_long_way(stream)
            comm.abort()

    def take(
        self, shift_id: str, functions: dict[str, tuple[str, bytes]] | None, calls: list[Any] | None, patience: float
    ) -> None:
        """Give calls to a shift, or back to the client when that has ended. None: give back those that wait there.

        Without ``functions`` there is the number of a call that is to be ended, too, if it runs.
        """
        shift = self.shifts.get(shift_id)
        if functions is None or calls is None:
            if calls and journal.kept is not None:
                journal.kept.end(calls[0])
            if shift is not None:
                shift.give_back()
        elif (shift is None or not shift.add(calls, functions, patience)) and calls:
            back = [(HANDED_BACK, [call[0] for call in calls])]
            self._send(dumps((shift_id, str(self.worker.name), self.worker.address, HOST, 0, back)))
