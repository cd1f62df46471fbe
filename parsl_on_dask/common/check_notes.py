"""Notes what ``check`` cannot find on this machine, for a file that is written for another one.

``python -m parsl_on_dask check`` works anywhere, also for the Config of a supercomputer on a laptop. What is missing
there is noted, and something that shows what is meant stands in its place.
"""

from __future__ import annotations

from parsl_on_dask.old_spellings.legacy import place

__all__ = ["address", "note", "notes"]

#: What was missing so far, each in a line.
notes: list[str] = []


def note(line: str) -> None:
    """Note what is missing, once."""
    if line not in notes:
        notes.append(line)


def address(call: str, name: str, why: OSError) -> str:
    """Note that an address cannot be found here, and return a host name that stands for it.

    - `call`: how the address was asked for.
    - `name`: whose address it is.
    - `why`: why there is none here.

    Examples
    --------
    >>> address("address_by_hostname()", "this-machine", OSError("no such name"))
    'address-of-this-machine'
    >>> notes.pop().endswith("address_by_hostname(): no such name")
    True
    """
    text = str(why)
    note(place() + (text if text.startswith(call) else f"{call}: {text}"))
    return f"address-of-{name}"
