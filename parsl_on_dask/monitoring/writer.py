"""The thread that brings events into the database.

The workflow has precedence over its record. While many tasks are on their way the thread takes a small part of the
time and lets events wait; it catches up when things are quieter, and before the end. A database that cannot be
written makes events wait, too, up to a number; beyond it the oldest are dropped, and counted.
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from parsl_on_dask.monitoring.errors import MonitoringWarning
from parsl_on_dask.monitoring.events import Sink, of_rows
from parsl_on_dask.monitoring.holding import PATIENCE, Holding
from parsl_on_dask.monitoring.rows import WIDTH, Group, RowMaker, events_of
from parsl_on_dask.monitoring.tables import COLUMNS, Rows, Tables, is_about_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger("parsl.monitoring.writer")

#: Seconds between two transactions.
INTERVAL = 0.5
#: Events of one transaction: while tasks run, and at the end, when nobody waits for the interpreter in between.
TOGETHER, AT_THE_END = 10_000, 50_000
#: Part of the time that is taken while events come in faster than BUSY a second.
SHARE = 0.12
BUSY = 2000
#: Events that may wait before precedence ends.
BACKLOG = 600_000
#: Tasks whose events may wait for their end.
HELD = 300_000
#: Events that may wait at all.
LIMIT = 1_500_000
#: Seconds between two attempts to write to a database that cannot be written: the first and the longest.
PAUSES = (0.5, 10.0)
#: Seconds for which a database that cannot be written holds up the end of a run.
LAST_CHANCE = 5.0


class EventWriter:
    """Writes the events of one run.

    - `workflow`: returns the row of the workflow table as it is now.
    - `look`: called before each transaction; may put events.
    - `debug`: log each transaction.
    - `sinks`: are given the events of each transaction once it is written.
    """

    def __init__(
        self,
        tables: Tables,
        maker: RowMaker,
        workflow: Callable[[], tuple[Any, ...]],
        look: Callable[[], None],
        debug: bool = False,
        sinks: Sequence[Sink] = (),
    ) -> None:
        self.tables = tables
        self.debug = debug
        self.sinks = list(sinks)
        self.maker = maker
        self.workflow = workflow
        self.look = look
        #: The values of events, one after the other.
        self.values: deque[Any] = deque()
        #: Takes the values of events, from any thread; as cheap as can be, since tasks wait for it.
        self.put: Callable[[Iterable[Any]], None] = self.values.extend
        self.holding = Holding()
        self.dropped = 0
        self.trouble_since = 0.0
        self.pause = PAUSES[0]
        self.wake = threading.Event()
        self.hurrying = self.ending = False
        self.deadline = 0.0
        self.written: tuple[Any, ...] | None = None
        self.thread = threading.Thread(target=self._run, name="parsl-monitoring", daemon=True)

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return len(self.values) // WIDTH

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def hurry(self) -> None:
        """Write without regard to tasks from now on: there are no more."""
        self.hurrying = True
        self.wake.set()

    def close(self) -> None:
        """Write the rest and end. A database that cannot be written gets a last chance."""
        self.deadline = time.monotonic() + LAST_CHANCE
        self.ending = True
        self.wake.set()
        self.thread.join()

    def _run(self) -> None:
        try:
            self._write_some(0)  # that there is a run, whatever becomes of the rest
        except Exception:
            logger.exception("monitoring goes on after this")
        pause = INTERVAL
        ended, left = time.monotonic(), 0
        while True:
            self.wake.wait(pause)
            self.wake.clear()
            if self.ending:
                break
            began = time.monotonic()
            count = 0
            try:
                self.look()
                self._make_room()
                count = self._write_some()
            except Exception:
                logger.exception("monitoring goes on after this")
            now, waiting = time.monotonic(), self.waiting
            arriving = (waiting + count - left) / max(now - ended, 0.001)
            pause = self._pause(now - began, arriving, waiting)
            ended, left = now, waiting
        try:
            left = self.waiting
            if left > TOGETHER:
                logger.info("Monitoring writes its last %s records", left)
            while self.values or self.holding or self.workflow() != self.written:
                self._write_some(AT_THE_END)
                if self.trouble_since:
                    if time.monotonic() > self.deadline:
                        break
                    time.sleep(0.2)
        except Exception:
            logger.exception("the last records of monitoring are lost")
        self._drop_the_rest()
        self.tables.release()

    def _pause(self, took: float, arriving: float, waiting: int) -> float:
        """How long to leave the workflow alone, after a transaction that took so many seconds.

        - `arriving`: events a second.
        - `waiting`: events.
        """
        if self.trouble_since:
            self.pause = min(2 * self.pause, PAUSES[1])
            return self.pause
        self.pause = PAUSES[0]
        if waiting > BACKLOG:
            return 0.0
        if arriving > BUSY and not self.hurrying:
            return max(INTERVAL, took * (1 / SHARE - 1))
        return 0.0 if waiting >= TOGETHER else INTERVAL

    def _write_some(self, most: int = TOGETHER) -> int:
        """Write one transaction; returns how many events it took."""
        count = min(most, self.waiting)
        take = self.values.popleft
        taken = events_of(iter([take() for _ in range(count * WIDTH)]))
        # who keeps up lets nothing wait
        patience = 0.0 if count < most or len(self.holding) > HELD else PATIENCE
        groups = self.holding.take(taken, time.monotonic(), patience, most)
        workflow = self.workflow()
        if not groups and workflow == self.written:
            return count
        try:
            self._write(groups, workflow)
        except Exception as e:
            if groups and is_about_rows(e) and self._one_by_one(groups, workflow):
                self._wrote(self.written)
                return count
            self._back(groups, e)
            return 0
        self._wrote(workflow)
        return count

    def _write(self, groups: Sequence[Group], workflow: tuple[Any, ...]) -> None:
        rows = {**self.maker.rows(groups), "workflow": workflow}
        self.tables.write(rows)
        if self.debug:
            counts = {name: len(values) // len(COLUMNS[name]) for name, values in rows.items() if name in COLUMNS}
            logger.debug("Monitoring wrote %s", ", ".join(f"{n} rows of {name}" for name, n in counts.items() if n))
        self.maker.written()
        if self.sinks:
            self._tell(rows, groups)

    def _tell(self, rows: Rows, groups: Sequence[Group]) -> None:
        """Give what was written to the sinks."""
        apps = {group[2].id: group[2].func_name for group in groups if hasattr(group[2], "func_name")}
        by_row = {
            name: list(zip(*[iter(values)] * len(COLUMNS[name]), strict=True))
            for name, values in rows.items()
            if name in COLUMNS
        }
        told = list(of_rows(by_row, COLUMNS, apps))
        for sink in list(self.sinks) if told else ():
            try:
                sink(told)
            except BaseException:  # it is the user's, and the record goes on
                self.sinks.remove(sink)
                logger.exception("a monitoring sink has raised an exception, and gets no more events: %r", sink)

    def _one_by_one(self, groups: Sequence[Group], workflow: tuple[Any, ...]) -> bool:
        """Find the events that the database does not take, and leave them out. False if it is not about events."""
        for part in _parts(groups):
            try:
                self._write(part, workflow)
            except Exception as e:
                if not is_about_rows(e):
                    return False
                if len(part) == 1 and len(part[0]) == 1 + WIDTH:
                    logger.error("a record of monitoring cannot be written and is left out: %s", e)
                elif not self._one_by_one(part, workflow):
                    return False
        return True

    def _wrote(self, workflow: tuple[Any, ...] | None) -> None:
        self.written = workflow
        if self.trouble_since:
            seconds, self.trouble_since = time.monotonic() - self.trouble_since, 0.0
            logger.warning("The monitoring database %s is written again, after %.0f s", self.tables.shown, seconds)
            self._tell_losses()

    def _back(self, groups: Sequence[Group], error: Exception) -> None:
        """Let events wait that could not be written."""
        if not self.trouble_since:
            self.trouble_since = time.monotonic()
            logger.warning(
                "The monitoring database %s cannot be written: %s. The workflow goes on, and its records wait",
                self.tables.shown,
                _first_line(error),
            )
        else:
            logger.debug("The monitoring database still cannot be written: %s", _first_line(error))
        values = [value for group in groups for value in group[1:]] + self.holding.clear()
        self.values.extendleft(reversed(values))
        self._make_room()

    def _make_room(self, limit: int | None = None) -> None:
        """Drop the oldest events beyond a number."""
        extra = max(0, self.waiting - (LIMIT if limit is None else limit))
        for _ in range(extra * WIDTH):
            self.values.popleft()
        self.dropped += extra

    def _drop_the_rest(self) -> None:
        self._make_room(0)
        self._tell_losses()

    def _tell_losses(self) -> None:
        """Warn, with their number, of events that were dropped since the last time."""
        lost, self.dropped = self.dropped, 0
        if not lost:
            return
        text = (
            f"{lost} records of monitoring are lost, because the database {self.tables.shown} could not be written. "
            "The workflow itself is not affected"
        )
        logger.warning("%s", text)
        try:
            warnings.warn(text, MonitoringWarning, stacklevel=2)
        except Warning:  # where warnings are errors: this one must not end the thread
            pass


def _parts(groups: Sequence[Group]) -> list[Sequence[Group]]:
    if len(groups) > 8:
        middle = len(groups) // 2
        return [groups[:middle], groups[middle:]]
    if len(groups) > 1:
        return [[group] for group in groups]
    return [[[0.0, *event]] for event in events_of(iter(groups[0][1:]))]


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
