"""Steps that follow from each other, without recursion.

Completing a task may complete or launch others. Such a step is put into the list of the thread that noticed it, instead
of being called, so a chain of any length is walked in one loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import Any


class Loop:
    """Runs steps, those of each thread one after the other.

    - `broken`: gets the first argument of a step that raised something, and what it raised.

    Examples
    --------
    >>> loop = Loop(print)
    >>> def count(n):
    ...     print(n)
    ...     if n:
    ...         loop.soon(count, n - 1)
    >>> loop.soon(count, 2)
    2
    1
    0
    """

    def __init__(self, broken: Callable[[Any, BaseException], None]) -> None:
        self._broken = broken
        #: the lists of the threads that are in the loop
        self._work: dict[int, deque[Any]] = {}

    def soon(self, step: Callable[..., None], *args: Any) -> None:
        """Do a step now, or, inside a step, after the current one. The first of the arguments is the task's record.

        Raises KeyboardInterrupt when a step raised it, and all steps that follow have been done.
        """
        me = get_ident()
        work = self._work.get(me)
        if work is not None:
            work.append((step, args))
            return
        work = self._work[me] = deque(((step, args),))
        interrupt: BaseException | None = None
        try:
            while work:
                step, args = work.popleft()
                try:
                    step(*args)
                except BaseException as e:  # of one task; the others in the list must not suffer
                    self._broken(args[0], e)
                    if isinstance(e, KeyboardInterrupt):
                        interrupt = e
        finally:
            del self._work[me]
        if interrupt is not None:
            raise interrupt

    def is_here(self) -> bool:
        """Whether the calling thread is in a step."""
        return get_ident() in self._work

    @property
    def busy(self) -> bool:
        """Whether another thread than the calling one is in a step."""
        return bool(set(self._work) - {get_ident()})
