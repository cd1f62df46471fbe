"""A script's side of its resident: starting it, finding it again, talking to it."""

from __future__ import annotations

import itertools
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.errors import ParslError
from parsl_on_dask.lanes.forbidden_waits import CheckedFuture, never_wait_here
from parsl_on_dask.linger.wire import Functions, Wire
from parsl_on_dask.remote.packing import loads

logger = logging.getLogger("parsl.linger.client")

#: Seconds for a resident to answer.
ANSWER = 30.0
#: Seconds that a script waits at its end for its resident's.
END = 180.0
#: Lines of its log that an error shows.
TAIL = 15


class ResidentGone(ParslError):
    """The process that keeps a run's executors has ended."""


class ResidentClient:
    """A connection to a resident.

    - `linger`: for how many seconds the resident stays when the script dies.
    - `first`: calls of this life have higher numbers. 0 in the first life.

    - `run`: what monitoring calls the run.
    - `again`: whether an earlier life of the script has started it.
    - `leaving`: whether the script goes without a goodbye, so that the resident stays.
    """

    def __init__(self, wire: Wire, run_dir: str, run: dict[str, Any], linger: float, first: int = 0) -> None:
        self.wire = wire
        self.run_dir = run_dir
        self.run = run
        self.linger = linger
        self.again = first > 0
        self.leaving = False
        self.gone: ResidentGone | None = None
        self.functions = Functions()
        #: numbers of values that have gone, which may be noted while anything runs
        self.released: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._deliver: dict[int, Callable[..., None]] = {}
        self._losing: list[Callable[[ResidentGone], None]] = []
        self._messages: dict[tuple[str, str], Callable[..., None]] = {}
        self._numbers = itertools.count(first + 1)
        self._asked: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self.sending = threading.Lock()
        self._thread = threading.Thread(target=self._listen, name="parsl-resident", daemon=True)

    @property
    def log(self) -> str:
        """The file that the resident logs to."""
        return os.path.join(self.run_dir, "resident.log")

    def begin(self, first: tuple[Any, ...] = (), seconds: float = ANSWER) -> None:
        """Listen; with a ``first`` message wait for the answer to it.

        Raises
        ------
        Exception
            What the resident met at its start.
        """
        answer: Future[Any] = CheckedFuture()
        self._asked[0] = answer
        self._thread.start()
        if first:
            self.tell(*first)
            answer.result(seconds)

    def number(self) -> int:
        """A new number for a call."""
        return next(self._numbers)

    def expect(self, number: int, deliver: Callable[..., None]) -> None:
        """Have the outcome of a call given to a function."""
        self._deliver[number] = deliver

    def when_lost(self, function: Callable[[ResidentGone], None]) -> None:
        """Have a function called when the resident has ended."""
        self._losing.append(function)

    def hear(self, kind: str, label: str, function: Callable[..., None]) -> None:
        """Have messages of a kind about an executor given to a function."""
        self._messages[kind, label] = function

    def tell(self, *message: Any) -> None:
        """Send a message.

        Raises ResidentGone.
        """
        try:
            self.wire.send(message)
        except OSError:
            raise self.gone or self._error() from None

    def ask(self, what: str, *arguments: Any, timeout: float | None = ANSWER) -> Any:
        """Ask something, and wait for the answer.

        Raises
        ------
        ResidentGone
        TimeoutError
        Exception
            What the question raised there.
        """
        return self.question(what, *arguments).result(timeout)

    def question(self, what: str, *arguments: Any) -> Future[Any]:
        """Ask something; returns the future of the answer.

        Raises
        ------
        ResidentGone
        """
        number = next(self._numbers)
        answer: Future[Any] = CheckedFuture()
        with self._lock:
            if self.gone is not None:
                raise self.gone
            self._asked[number] = answer
        self.tell("ask", number, what, *arguments)
        return answer

    def prepare(self, memoizer: Any) -> None:
        """Have a memoizer use what the resident has recorded."""
        if not isinstance(memoizer, BasicMemoizer):
            return
        if memoizer.checkpoint_mode is None:
            memoizer.checkpoint_mode = "task_exit"
        before = os.path.join(self.run_dir, "checkpoint")
        if memoizer.checkpoint_files is not None and os.path.isdir(before):
            given: Sequence[Any] = memoizer.checkpoint_files
            memoizer.checkpoint_files = [*given, before]

    def stay(self) -> None:
        """Have the resident stay when the script leaves, and say so."""
        self.leaving = True
        if self.gone is None:
            say(
                f"run {os.path.relpath(self.run_dir)} stays for {self.linger:g} s. Start the script again, and it goes "
                "on; or `python -m parsl_on_dask stop` ends the run"
            )

    def close(self) -> None:
        """Leave; unless :attr:`leaving` the resident ends, and all that it has started."""
        if self._closed:
            return
        self._closed = True
        if self.leaving or self.gone is not None:
            self.wire.close()
            return
        try:
            if self.again:
                joined, new = self.ask("counts")
                if joined or new:  # and not all of them had results on disk
                    say(f"run {os.path.relpath(self.run_dir)}, calls of this life: {joined} found there, {new} new")
            self.tell("bye")
        except (ResidentGone, TimeoutError):
            self.wire.close()
            return
        self._thread.join(END)
        if self._thread.is_alive():
            logger.warning("The process that keeps the executors is still ending them; its log is %s", self.log)
        self.wire.close()

    # -- the thread ----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        never_wait_here("the thread that reads what executors with linger= have done")
        while (message := self.wire.receive()) is not None:
            try:
                self._release()
                self._take(*message)
            except BaseException:  # what is unpickled runs code of the user's
                logger.exception("A message of the resident cannot be dealt with: %s", message[0])
        error = self._error()
        with self._lock:
            self.gone = error
            asked, self._asked = self._asked, {}
        for answer in asked.values():
            answer.set_exception(error)
        if not self._closed and not self.leaving:
            logger.error("%s", error)
        for lose in self._losing:
            lose(error)

    def _release(self) -> None:
        """Tell of the values that are not needed any more; the resident says something every second."""
        while not self.released.empty():
            self.tell("release", self.released.get())

    def _take(self, kind: str, number: Any, *rest: Any) -> None:
        if kind in ("done", "again"):
            deliver = self._deliver.pop(number, None)
            if deliver is not None:
                deliver(kind, number, *rest)
        elif kind == "answer":
            with self._lock:
                answer = self._asked.pop(number, None)
            if answer is None:
                return
            value, error = rest
            try:
                found = loads(value if error is None else error)
            except BaseException as e:
                error = found = e
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(found)
        elif (kind, number) in self._messages:
            self._messages[kind, number](*rest)

    def _error(self) -> ResidentGone:
        what = "the process that keeps the executors with linger= has ended"
        try:
            with open(self.log, errors="replace") as file:
                tail = "".join(file.readlines()[-TAIL:])
        except FileNotFoundError:
            return ResidentGone(f"{what}, since its run directory was removed or moved: {self.run_dir}")
        except OSError as e:
            tail = str(e)
        return ResidentGone(f"{what}. The end of {self.log}:\n{tail}")


def say(text: str) -> None:
    """Tell the user something about what stays."""
    logger.warning(text)
    print(f"parsl: {text}", file=sys.stderr)
