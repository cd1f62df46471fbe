"""How fast blocks may be asked for, by what became of those before."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

logger = logging.getLogger("parsl.clusters.governor")

#: Seconds of the first pause after blocks that died young; each further one is twice as long, up to the second number.
FIRST, MOST = 5.0, 600.0
#: The same for a batch system that does not answer, and for one that has enough jobs of this user.
NO_ANSWER = (2.0, 60.0)
FULL = (15.0, 300.0)


class Governor:
    """Says when the next submission to a provider may go.

    Submissions go at once until one block dies young: before its workers had come, or soon after. From then on there
    are pauses between them. A pause is twice as long when a block dies that was asked for after the last one began; so
    ten blocks that die together count once. A block that lives ends all this.

    - `label`: name of the executor, for the log.
    - `clock`: the time in seconds.

    - `trial`: how many rounds of blocks have died young since one lived.
    - `reason`: why submissions are held back; ``""`` while they are not.

    Examples
    --------
    >>> now = 0.0
    >>> governor = Governor("hpc", lambda: now)
    >>> trials = [governor.sent() for _ in range(10)]
    >>> for trial in trials:
    ...     governor.died(trial, "exit code 1")
    >>> governor.wait()
    5.0
    """

    def __init__(self, label: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.label = label
        self.trial = 0
        self.reason = ""
        self._clock = clock
        self._until = -math.inf
        self._refusals = 0
        self._full = False
        self._of_trial = ""

    @property
    def pause(self) -> float:
        """Seconds between two submissions."""
        return min(MOST, FIRST * 2 ** (min(self.trial, 20) - 1)) if self.trial else 0.0

    def wait(self) -> float:
        """Seconds until the next submission may go."""
        return max(0.0, self._until - self._clock())

    def sent(self) -> int:
        """A submission goes out; returns the number of its trial, which :meth:`died` asks for."""
        if self.trial:
            self._until = max(self._until, self._clock() + self.pause)
        return self.trial

    def taken(self) -> None:
        """The batch system has taken a submission."""
        if self._refusals:
            logger.info("Executor %s: the batch system takes jobs again", self.label)
            self._refusals = 0
            self._full = False
            self.reason = self._of_trial if self.trial else ""

    def died(self, trial: int, why: str) -> None:
        """A block died young, or was refused."""
        if trial < self.trial:
            return
        self.trial += 1
        self._until = max(self._until, self._clock() + self.pause)
        rounds = "blocks" if self.trial == 1 else f"{self.trial} rounds of blocks"
        self._of_trial = self.reason = f"{rounds} failed early: {why}"
        logger.warning(
            "Executor %s: %s. The next one is asked for in %.0f s, and later ones more and more slowly until one lives",
            self.label,
            self.reason,
            self.pause,
        )

    def lived(self) -> None:
        """A block did not die young."""
        if self.trial:
            logger.info("Executor %s: a block lives; blocks are asked for without pauses again", self.label)
            self.trial = 0
            self._of_trial = ""
            if not self._refusals:
                self.reason = ""
                self._until = -math.inf

    def not_answered(self, why: str) -> None:
        """The batch system did not answer a submission, which will be tried again."""
        self._hold(NO_ANSWER, f"the batch system does not answer: {why}")
        self._full = False

    def full(self, why: str) -> None:
        """The batch system has as many jobs of this user as it takes; this submission will be tried again."""
        self._hold(FULL, f"the batch system takes no more jobs now: {why}")
        self._full = True

    def _hold(self, pauses: tuple[float, float], reason: str) -> None:
        first, most = pauses
        pause = min(most, first * 2 ** min(self._refusals, 20))
        self._refusals += 1
        self._until = max(self._until, self._clock() + pause)
        level = logging.DEBUG if reason == self.reason else logging.WARNING
        self.reason = reason
        logger.log(
            level,
            "Executor %s: %s. It is tried again in %.0f s, and then more and more slowly",
            self.label,
            reason,
            pause,
        )

    def room(self) -> None:
        """A job of this executor has ended: if the batch system had too many, there may be room."""
        if self._full:
            self._until = min(self._until, self._clock() + max(NO_ANSWER[0], self.pause))
