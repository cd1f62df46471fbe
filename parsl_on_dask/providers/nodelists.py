"""Names of nodes as batch systems list them."""

from __future__ import annotations

import re


def expanded(nodes: str) -> list[str]:
    """The names in a list as Slurm writes it, or in one with spaces or lines between them; each name once.

    Examples
    --------
    >>> expanded("node[1-2,08-10],gpu3")
    ['node1', 'node2', 'node08', 'node09', 'node10', 'gpu3']
    >>> expanded("a b\\na")
    ['a', 'b']
    """
    found: dict[str, None] = {}
    for name in re.findall(r"(?:[^\s,\[]|\[[^\]]*\])+", nodes):
        found.update(dict.fromkeys(_expanded(name)))
    return list(found)


def _expanded(name: str) -> list[str]:
    match = re.match(r"([^\[]*)\[([^\]]*)\](.*)", name)
    if match is None:
        return [name]
    head, ranges, tail = match.groups()
    numbers: list[str] = []
    for part in ranges.split(","):
        first, dash, last = part.partition("-")
        if dash and first.isdigit() and last.isdigit():
            numbers += [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]
        else:
            numbers.append(part)
    return [f"{head}{number}{rest}" for number in numbers for rest in _expanded(tail)]
