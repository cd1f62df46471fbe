"""What ``multiprocessing`` sends to the processes that it spawns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def send_to_spawned_processes(more: Callable[[], Mapping[str, Any]]) -> None:
    """Have processes that are spawned from now on unpickle something before they import ``__main__``.

    ``multiprocessing.spawn.get_preparation_data`` makes the dictionary that a child unpickles first. It is wrapped, and
    more entries are added; the child ignores entries that it does not know. There is no public way to be earlier than
    the import of ``__main__``.

    - `more`: returns the entries, each time that a process is spawned. A second call of this function is ignored.
    """
    from multiprocessing import spawn

    original: Any = spawn.get_preparation_data
    if getattr(original, "sends_more", False):
        return

    def get_preparation_data(name: str) -> dict[str, Any]:
        return {**original(name), **more()}

    get_preparation_data.sends_more = True  # type: ignore[attr-defined]
    spawn.get_preparation_data = get_preparation_data
