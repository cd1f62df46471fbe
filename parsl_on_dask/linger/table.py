"""The calls that a resident has, by their keys: which of them are awaited, and what ended unheard."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from parsl_on_dask.lanes.call import Call

#: Bytes of outcomes that nobody has heard and that are recorded nowhere: failures, and values that a full disk refused.
UNHEARD = 256_000_000

#: Kinds of outcomes: a pickled value, a pickled error of the call's, one of ours, a value that stays on the cluster.
VALUE, ERROR, FAILED, KEPT = "value", "error", "failed", "kept"
#: What is kept of an outcome whose value is recorded.
RECORDED = ("recorded", True)


class Work:
    """A call, and who waits for it.

    - `key`: "" when it has none.
    - `about`: what is recorded beside the value: name of the app, identity, parts of the key.
    - `call`: the try on its lane.
    - `numbers`: by what numbers the script that is here knows it.
    - `recording`: whether it is done, and its value is being recorded.
    - `elsewhere`: whether a call of another executor waits for it, which cannot have a value that stays on the cluster.
    - `orphan`: whether the script that made it has gone, and no other one has asked for it since.
    """

    __slots__ = ("about", "call", "elsewhere", "key", "label", "numbers", "orphan", "recording")

    def __init__(self, label: str, key: str, about: tuple[Any, ...], number: int) -> None:
        self.label = label
        self.key = key
        self.about = about
        self.call: Call | None = None
        self.numbers = [number]
        self.recording = False
        self.elsewhere = False
        self.orphan = False


class Table:
    """The calls of one resident. Every method is one step under its lock.

    - `send`: takes a number, a key and an outcome for the script that is here. Called under the lock, so that nothing
      is sent to a script that did not ask for it; it must not block.

    - `joined`, `new`: calls of the script that is here that were found here, and that were not.
    """

    def __init__(self, send: Callable[[int, str, tuple[Any, ...]], None]) -> None:
        self._send = send
        self._lock = threading.RLock()
        self._works: dict[int, Work] = {}
        self._by_key: dict[str, Work] = {}
        self._by_number: dict[int, Work] = {}
        self._unheard: OrderedDict[str, tuple[Any, ...]] = OrderedDict()
        self._bytes = 0
        self.joined = 0
        self.new = 0

    def take(
        self, number: int, label: str, key: str, about: tuple[Any, ...]
    ) -> tuple[Work | None, tuple[Any, ...] | None]:
        """Take a call of the script's.

        Returns
        -------
        (Work, None)
            It is new, and is to be run.
        (None, None)
            One with its key is here, and tells when it is done.
        (None, outcome)
            One with its key has ended, and nobody has heard it.
        """
        with self._lock:
            known = self._by_key.get(key) if key else None
            if known is not None:
                self.joined += 1
                known.orphan = False
                known.elsewhere |= known.label != label
                known.numbers.append(number)
                self._by_number[number] = known
                return None, None
            outcome = self._unheard.pop(key, None) if key else None
            if outcome is not None:
                self.joined += 1
                self._bytes -= _size(outcome)
                return None, outcome
            self.new += 1
            work = Work(label, key, about, number)
            self._works[id(work)] = work
            self._by_number[number] = work
            if key:
                self._by_key[key] = work
            return work, None

    def ended(self, work: Work, outcome: tuple[Any, ...], recording: bool = False) -> bool:
        """A call has its outcome, whose last part is True when its value is recorded.

        With ``recording`` it is about to be, and :meth:`recorded` follows. Returns whether a script hears of it now.
        """
        with self._lock:
            if recording:
                work.recording = True
            else:
                self._forget(work)
            awaited = bool(work.numbers) and not (recording and work.elsewhere)
            if awaited:
                self._answer(work, outcome)
            elif work.key and not recording:
                self._keep(work.key, outcome)
            return awaited

    def recorded(self, work: Work, outcome: tuple[Any, ...]) -> None:
        """The value of a call is on disk, or cannot be brought there: ``outcome`` says which."""
        with self._lock:
            self._forget(work)
            if work.numbers:  # asked for meanwhile: where the value was left may be gone by now
                self._answer(work, outcome)
            elif work.orphan:
                self._keep(work.key, outcome)

    def _answer(self, work: Work, outcome: tuple[Any, ...]) -> None:
        for number in work.numbers:
            self._by_number.pop(number, None)
            self._send(number, work.key, outcome)
        work.numbers = []

    def _forget(self, work: Work) -> None:
        self._works.pop(id(work), None)
        if self._by_key.get(work.key) is work:
            del self._by_key[work.key]

    def _keep(self, key: str, outcome: tuple[Any, ...]) -> None:
        """Keep an outcome until somebody asks for it; not a failure that is not the call's own: it runs again."""
        if outcome[0] == FAILED:
            return
        if outcome[-1] is True:  # its value is on disk
            outcome = RECORDED
        self._unheard[key] = outcome
        self._bytes += _size(outcome)
        while self._bytes > UNHEARD and len(self._unheard) > 1:
            self._bytes -= _size(self._unheard.popitem(last=False)[1])

    def of(self, number: int) -> Work | None:
        """The call that the script that is here knows by a number."""
        with self._lock:
            return self._by_number.get(number)

    def left(self) -> None:
        """The script has gone: nobody waits for anything any more."""
        with self._lock:
            self._by_number.clear()
            for work in self._works.values():
                work.numbers = []
                work.orphan = True

    def came(self) -> Iterable[Work]:
        """A script has come. Returns the calls without a key that nobody waits for, which it will make again."""
        with self._lock:
            self.joined = self.new = 0
            return [work for work in self._works.values() if not work.key]

    def works(self) -> list[Work]:
        """The calls that are not done."""
        with self._lock:
            return [work for work in self._works.values() if not work.recording]

    def unheard(self) -> int:
        """How many calls have ended of which no script has heard."""
        with self._lock:
            return len(self._unheard)


def _size(outcome: tuple[Any, ...]) -> int:
    return sum(len(part) for part in outcome if isinstance(part, bytes))
