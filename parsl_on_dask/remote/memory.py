"""A memory limit on a function: whoever keeps the worker ends it when the call has more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import journal
from .wrapping import Wrapper


class MemoryLimited(Wrapper):
    """A function that may have so much memory.

    - `function`: the function.
    - `size`: bytes that its process, and all that it starts, may have while it runs.

    It has no effect where nobody reads the journal of this process.

    Examples
    --------
    >>> MemoryLimited(len, 1_000_000_000)([1, 2, 3])
    3
    """

    def __init__(self, function: Callable[..., Any], size: int) -> None:
        super().__init__(function)
        self.size = size

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if journal.kept is None:
            return self.__wrapped__(*args, **kwargs)
        before = journal.kept.limit_memory(self.size)
        try:
            return self.__wrapped__(*args, **kwargs)
        finally:
            journal.kept.limit_memory(before)
