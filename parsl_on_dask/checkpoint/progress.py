"""Shows how far a long command is, in one line of the terminal that is rewritten in place."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

Item = TypeVar("Item")

_FIRST_AFTER, _EVERY, _WIDTH = 0.5, 0.1, 30


def progress(
    items: Iterable[Item], total: int, what: str, stream: TextIO | None = None, first_after: float = _FIRST_AFTER
) -> Iterator[Item]:
    """The items; a bar shows how many have been taken, if it takes long and somebody is watching.

    - `total`: how many there are.
    - `what`: in front of the bar.
    - `stream`: default ``sys.stderr``. Nothing is written to it unless it is a terminal.
    - `first_after`: seconds before the bar appears.

    Examples
    --------
    >>> sum(progress([1, 2, 3], 3, "adding"))
    6
    """
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield from items
        return
    shown = False
    following = time.monotonic() + first_after
    try:
        for number, item in enumerate(items, 1):
            yield item
            now = time.monotonic()
            if now >= following:
                part = min(1.0, number / total) if total else 1.0
                bar = "#" * round(_WIDTH * part)
                stream.write(f"\r{what} [{bar:<{_WIDTH}}] {part:4.0%}  {number}/{total}")
                stream.flush()
                shown, following = True, now + _EVERY
    finally:
        if shown:
            stream.write("\r\x1b[K")
            stream.flush()
