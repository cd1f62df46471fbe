"""Running calls on a worker, and reporting each of them as it ends.

A shift is one Dask task: it holds one of the worker's slots, runs the calls that came with it, and, where the
client has a connection to this worker (:mod:`parsl_on_dask.remote.agent`), the calls that are sent after it. When
it has had nothing to do for a moment it ends. What comes with it is a pickled :class:`Bundle`; what happened to
each call goes to the client at once, in pickled messages (:mod:`parsl_on_dask.remote.execution`).
"""

from __future__ import annotations

import math
import os
import pickle
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from . import copies, journal
from .agent import Agent, agent_of
from .execution import ENDED, HANDED_BACK, HOST, STARTED, Bundle, CallData, Execution
from .internals import is_there
from .jobend import end_of_this_job
from .monitor import monitor_of
from .packing import dumps
from .whole import sent_whole

#: Seconds that one call may take before the calls behind it are handed back.
PATIENCE = 0.05
#: Seconds that a report may wait for company, if another one left less than this before and other calls wait behind it.
GROUPING = 0.004
#: The same behind calls that take longer: so many times as long as the last one, up to so many seconds. Each message
#: costs client and worker 0.5 ms of processor time or more.
COMPANY, HELD = 2.5, 0.025
#: Seconds without work after which a shift ends.
LINGER = 0.1
#: Seconds after which a shift without work makes way for another Dask task that waits for its slot.
GLANCE = 0.004
#: Seconds that a task which cannot end in this job waits before Dask may give it to the same worker again.
REFUSAL = 0.2


@contextmanager
def environment(variables: Mapping[str, str] | None) -> Iterator[None]:
    """Set environment variables of this process, and put back what was there.

    It is for workers that run one call at a time: other threads see the variables, too.

    Examples
    --------
    >>> with environment({"CUDA_VISIBLE_DEVICES": "2"}):
    ...     os.environ["CUDA_VISIBLE_DEVICES"]
    '2'
    """
    if not variables:
        yield
        return
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def run(data: bytes, values: Sequence[Any]) -> dict[int, Any]:
    """Run a shift. This is the Dask task.

    - `data`: the pickled :class:`Bundle`.
    - `values`: the values on the cluster that its calls take; their arguments refer to them by number.

    Returns the large values, by the numbers of the calls.
    """
    from distributed import get_worker

    bundle: Bundle = pickle.loads(data)
    worker = get_worker()
    with environment(bundle["environment"]), agent_of(worker, bundle["topic"]) as agent:
        return Shift(bundle, values, worker, agent).run()


class Shift(Execution):
    """One Dask task of ours while it runs."""

    agent: Agent

    def __init__(self, bundle: Bundle, values: Sequence[Any], worker: Any, agent: Agent) -> None:
        super().__init__(bundle, values, worker, agent)
        self.id = bundle["shift"]
        # a call that was given nodes of one block has no right to those of another
        self.strayed = bundle["block"] not in (None, os.environ.get("PARSL_WORKER_BLOCK_ID"))
        self.careful = bundle["careful"]
        self.monitor = monitor_of(bundle["monitor"])
        self.several = self.feed or len(bundle["calls"]) > 1
        self.ran = bundle["once"] and os.path.join(bundle["once"], self.id + ".ran")
        self.again = False
        self.todo = deque(self.wanted(bundle["calls"]))
        self.adopts = bundle["adopt"]
        self.job_end = end_of_this_job(bundle["slurm"])
        self.initial = () if self.job_end is None else {call[0] for call in self.todo}
        # nothing that a shift begins with is given up later: Dask may be at recomputing it
        self.stop = math.inf if self.job_end is None or self.again else self.job_end.stop
        self.last = math.inf if self.job_end is None or self.again else self.job_end.last - bundle["need"]
        self.lock = threading.Lock()
        self.wake = threading.Condition(self.lock)
        self.began = 0.0
        #: the same at the last look of :meth:`watch`
        self.seen = 0.0
        #: seconds that the call that runs may take before the calls behind it are handed back
        self.patience = PATIENCE
        self.over = False
        self.watching = False
        self.flushing = False
        self.flushed = 0.0
        self.brisk = False
        self.grouping = GROUPING
        self.reports: list[tuple[Any, ...]] = []
        if self.adopts and self.adopts[0] in agent.large:
            self.kept[self.adopts[0]] = agent.large.pop(self.adopts[0])
            self.todo.clear()
        # whoever needs a value again needs it from here, whatever its size is now
        self.owes = self.again or self.adopts is not None
        if self.owes:
            self.inline = -1

    def wanted(self, calls: list[CallData]) -> list[CallData]:
        """The calls to run: all of them, unless Dask runs this task again because a result was lost with its worker.

        Then only those whose values it kept have to run again.
        """
        if not self.ran:
            return calls
        try:
            os.close(os.open(self.ran, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            self.again = True
            with open(self.ran) as file:
                kept = set(map(int, file.read().split()))
            return [call for call in calls if call[0] in kept]
        except OSError:  # no such directory, no space: run as if there had been nothing to find
            self.ran = ""
        return calls

    def run(self) -> dict[int, Any]:
        if self.adopts and self.todo and self.is_held_elsewhere(self.adopts[1]):
            self.leave_it()
        now = time.monotonic()
        refused = now > self.stop or now > self.last
        if refused and not self.ran:
            self.refuse(now)
        self.agent.shifts[self.id] = self
        self.report(self.started(now))
        if refused or self.strayed:
            self.end()
        with self.lock:
            self.begin_watch()
        if self.careful or not (self.feed and self.agent.connected):
            self.flush()  # the client connects while the first calls run
        if self.careful:  # else nobody knows whether a call had begun whose worker dies
            self.agent.wait_until_sent()
        while (call := self.next()) is not None:
            self.report(self.execute(call) if self.monitor is None else self.monitor.run(self, call))
            if self.several and self.large:
                self.end()  # others can have the value only when this Dask task is over
        if self.copies.files:
            self.worker.loop.add_callback(self.worker.loop.call_later, 2 * copies.KEPT, copies.kept.sweep)
        if self.owes and self.trouble is not None:
            raise LookupError("a value that was lost with its worker cannot be made again") from self.trouble
        if self.kept and self.ran:
            with open(self.ran, "w") as file:
                file.write(" ".join(map(str, self.kept)))
        self.agent.shifts.pop(self.id, None)
        self.flush()
        return sent_whole(self.kept)

    def started(self, now: float) -> tuple[Any, ...]:
        return (STARTED,) if self.job_end is None else (STARTED, *self.job_end.left(now))

    def refuse(self, now: float) -> NoReturn:
        """Have Dask run this task on another worker, after a moment, since its calls cannot end in this job.

        The client could do that only if it was known that Dask does not recompute one of their values.
        """
        self.agent.send(self.message([self.started(now)]))
        self.leave_it()

    def is_held_elsewhere(self, holder: str) -> bool:
        """Whether the value that is to be taken is on another worker, from which Dask has stolen this task."""
        return holder != self.worker.address and is_there(self.worker, holder)

    def leave_it(self) -> NoReturn:
        """Have Dask give this task to a worker anew, after a moment."""
        from distributed import Reschedule

        time.sleep(REFUSAL)
        raise Reschedule

    def next(self) -> CallData | None:
        """The next call, waiting a moment for one; None when the shift is over."""
        with self.lock:
            if not self.todo and self.reports:
                self.flush_locked()
            waited = 0.0
            while not self.todo and not self.over:
                if not (self.feed and self.agent.connected) or waited >= LINGER or (waited and self.is_in_the_way()):
                    self.over = True
                    break
                before = time.monotonic()
                self.wake.wait(GLANCE)
                # where this process is waked late so is the client, and what it sends is on its way
                waited += min(time.monotonic() - before, 2 * GLANCE)
            if not self.todo:
                return None
            self.began = time.monotonic()
            # a call is not done before Dask has its large result, and that takes this slot
            if not (self.agent.large and self.is_in_the_way()) and (
                self.began < self.stop or self.todo[0][0] in self.initial
            ):
                return self.todo.popleft()
        self.end()
        return None

    def is_in_the_way(self) -> bool:
        """Whether another Dask task waits for this slot."""
        return bool(getattr(self.worker.state, "ready", None) or getattr(self.worker.state, "constrained", None))

    def add(self, calls: list[CallData], functions: dict[str, tuple[str, bytes]], patience: float) -> bool:
        """Take more calls, in the worker's event loop. False when the shift is over.

        None at all means that there will be no more.
        """
        with self.lock:
            if self.over:
                return False
            if not calls:
                self.over = True
                self.wake.notify()
                return True
            self.functions.update({key: f for key, f in functions.items() if key not in self.agent.functions})
            self.todo.extend(calls)
            self.patience = patience
            self.begin_watch()
            self.wake.notify()
            return True

    def end(self) -> None:
        """Take no more calls, and hand back those that wait."""
        with self.lock:
            self.over = True
        self.give_back()

    def give_back(self) -> None:
        """Hand back the calls that wait: others have a use for them."""
        with self.lock:
            back = self.take_back_locked()
        if back:
            self.report((HANDED_BACK, back), now=True)

    def take_back_locked(self) -> list[Any]:
        back = [call[0] for call in self.todo]
        self.todo.clear()
        return back

    def begin_watch(self) -> None:
        if not self.watching and (len(self.todo) > 1 or (self.todo and self.began)):
            self.watching = True
            self.worker.loop.add_callback(self.watch)

    def watch(self) -> None:
        """Send reports that wait, and hand back what waits behind a call that takes long. In the event loop."""
        with self.lock:
            self.flush_locked()
            if not self.todo:
                self.watching = False
                return
            waited = time.monotonic() - self.began if self.began else 0.0
            back = []
            # a look that comes late, as on a machine with too much to do, says nothing about a call that is new to it
            seen, self.seen = self.seen, self.began
            if waited > self.patience and seen == self.began:
                back = self.take_back_locked()
                self.functions.clear()
                self.watching = False
        if back:
            self.report((HANDED_BACK, back), now=True)
        else:
            # while calls are short their reports are grouped, and this is what sends the last ones
            self.brisk = waited < self.grouping
            again = self.grouping if self.brisk else max(GROUPING, self.patience - waited)
            self.worker.loop.call_later(again, self.watch)

    def report(self, report: tuple[Any, ...], now: bool = False) -> None:
        if journal.kept is not None and report[0] in ENDED:
            journal.kept.add(dumps((self.id, report)))
        with self.lock:
            self.reports.append(report)
            moment = time.monotonic()
            if not self.careful:  # else a call runs again whose worker dies before this has left
                self.grouping = max(GROUPING, min(HELD, COMPANY * (moment - self.began)))
            if now or moment - self.flushed > self.grouping:
                self.flush_locked()
            elif self.todo and not self.flushing and not (self.watching and self.brisk):
                # with nothing left to do, next() sends them at once
                self.flushing = True
                self.worker.loop.add_callback(lambda: self.worker.loop.call_later(self.grouping, self.flush))

    def flush(self) -> None:
        with self.lock:
            self.flush_locked()

    def flush_locked(self) -> None:
        # inside the lock, so that messages leave in the order of their reports
        reports, self.reports = self.reports, []
        self.flushing = False
        if reports:
            self.flushed = time.monotonic()
            self.agent.send(self.message(reports))

    def message(self, reports: list[tuple[Any, ...]]) -> bytes:
        worker = self.worker
        return dumps((self.id, str(worker.name), worker.address, HOST, os.getpid(), reports))
