"""Walltimes: the form that providers take, and those of ``jobqueue.yaml``."""

from __future__ import annotations

import re
from typing import Any

from parsl_on_dask.common.arguments import wrong_type, wrong_value
from parsl_on_dask.common.mistakes import not_a_walltime

_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):(\d+):(\d+)")


def check_walltime(owner: str, walltime: Any) -> None:
    """Raise unless ``walltime`` is written ``HH:MM:SS``, or ``D-HH:MM:SS``, and is more than nothing."""
    if not isinstance(walltime, str):
        raise wrong_type(owner, "walltime", walltime, "a str", not_a_walltime(walltime))
    match = _CLOCK.fullmatch(walltime.strip())
    if match is None or not any(int(part) for part in match.groups("0")):
        raise wrong_value(owner, "walltime", walltime, not_a_walltime(walltime))


def seconds(walltime: Any, pair: int = 60, single: int = 60) -> int | None:
    """Return the seconds of a walltime in any of the forms that batch systems take, None for one that has no end.

    - `walltime`: ``D-HH:MM:SS``, ``HH:MM:SS``, ``D-HH:MM``, ``D-HH``, two numbers or one.
    - `pair`: seconds of one unit of the first of two numbers: 60 for ``MM:SS`` (the default), 3600 for ``HH:MM``.
    - `single`: seconds of a unit of a number that stands alone. Default 60: minutes.

    Examples
    --------
    >>> seconds("1-02:00:00"), seconds("00:30", pair=3600), seconds("90"), seconds("UNLIMITED")
    (93600, 1800, 5400, None)
    """
    text = str(walltime).strip()
    days, dash, clock = text.rpartition("-")
    try:
        parts = [int(part) for part in clock.split(":")]
        total = 86400 * int(days) if dash else 0
    except ValueError:
        return None
    if dash:
        return total + sum(n * unit for n, unit in zip(parts, (3600, 60, 1), strict=False))
    if len(parts) == 4:
        return parts[0] * 86400 + parts[1] * 3600 + parts[2] * 60 + parts[3]
    if len(parts) == 3:
        return parts[0] * 3600 + parts[1] * 60 + parts[2]
    if len(parts) == 2:
        return parts[0] * pair + parts[1] * (pair // 60)
    return parts[0] * single or None


def clock(total: int) -> str:
    """Write seconds as ``HH:MM:SS``.

    Examples
    --------
    >>> clock(93600)
    '26:00:00'
    """
    return f"{total // 3600:02d}:{total // 60 % 60:02d}:{total % 60:02d}"


def minutes(total: int) -> int:
    """Whole minutes of a walltime, as Parsl gives them to Slurm and LSF; at least 1, since 0 means no limit there."""
    return max(1, total // 60)
