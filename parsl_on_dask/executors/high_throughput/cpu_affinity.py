"""Reads and checks ``cpu_affinity``."""

from __future__ import annotations

from parsl_on_dask.common.arguments import need, wrong_value

STRATEGIES = ("none", "block", "block-reverse", "alternating")


def check_cpu_affinity(owner: str, cpu_affinity: object) -> None:
    """Raise unless ``cpu_affinity`` names a strategy or is a well-formed list."""
    hint = "Write 'none', 'block', 'block-reverse', 'alternating' or a list such as 'list:0-3:4-7'."
    need(owner, "cpu_affinity", cpu_affinity, str, hint=hint)
    assert isinstance(cpu_affinity, str)
    if cpu_affinity.lower() in STRATEGIES:
        return
    try:
        core_lists(cpu_affinity)
    except ValueError as error:
        raise wrong_value(owner, "cpu_affinity", cpu_affinity, f"{error}. {hint}") from None


def core_lists(text: str) -> list[list[int]]:
    """The cores of each worker.

    Raises
    ------
    ValueError
        When the text is no list.

    Examples
    --------
    >>> core_lists("list:0-3:4-6,9")
    [[0, 1, 2, 3], [4, 5, 6, 9]]
    """
    head, _, rest = text.partition(":")
    if head.lower() != "list" or not rest:
        raise ValueError("this is neither a known strategy nor a list")
    return [[core for part in worker.split(",") for core in _core_range(part)] for worker in rest.split(":")]


def _core_range(part: str) -> range:
    first, dash, last = part.strip().partition("-")
    if not first.isdigit() or (dash and not last.isdigit()):
        raise ValueError(f"{part!r} is neither a core's number nor a range such as 4-7")
    return range(int(first), int(last if dash else first) + 1)
