"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta

_EPOCH = datetime(1970, 1, 1)


def duration(value: float | None) -> str:
    """Seconds as a text of at most two units.

    Examples
    --------
    >>> [duration(x) for x in (0.00042, 0.25, 3.14159, 75, 3725, 200000, None)]
    ['0.4 ms', '250 ms', '3.1 s', '1 min 15 s', '1 h 2 min', '2 d 7 h', '–']
    """
    if value is None:
        return "–"
    if value < 0.001:
        return f"{value * 1000:.1f} ms"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 59.95:
        return f"{value:.1f} s"
    whole = round(value)
    for size, unit, part_size, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part_size
            return f"{whole // size} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"


def clock(value: float | None, day: bool = True) -> str:
    """Seconds since 1970 of a clock without a zone, as a time.

    Examples
    --------
    >>> clock(86400.25), clock(86400.25, day=False)
    ('1970-01-02 00:00:00', '00:00:00.250')
    """
    if value is None:
        return "–"
    when = _EPOCH + timedelta(seconds=value)
    return f"{when:%Y-%m-%d %H:%M:%S}" if day else f"{when:%H:%M:%S}.{when.microsecond // 1000:03d}"


def size(value: float | None, decimal: bool = False) -> str:
    """Bytes with a unit: KiB, or with `decimal` kB, and so on.

    Examples
    --------
    >>> size(0), size(1536), size(3 * 2**30), size(None)
    ('0 B', '1.5 KiB', '3.0 GiB', '–')
    >>> size(999, decimal=True), size(1234567, decimal=True)
    ('999 B', '1.2 MB')
    """
    if value is None:
        return "–"
    step, units = (1000, ("kB", "MB", "GB", "TB")) if decimal else (1024, ("KiB", "MiB", "GiB", "TiB"))
    if abs(value) < step:
        return f"{value:.0f} B"
    for unit in units:
        value /= step
        # what would be rounded to 1000 gets the next unit
        if abs(value) < (999.95 if decimal else step) or unit == units[-1]:
            break
    return f"{value:,.1f} {unit}"


def count(value: int, one: str, many: str = "") -> str:
    """A number of things.

    Examples
    --------
    >>> count(1, "task"), count(12000, "task"), count(2, "try", "tries")
    ('1 task', '12,000 tasks', '2 tries')
    """
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def percent(part: float, whole: float) -> str:
    """A share; never rounded to all or nothing when it is not.

    Examples
    --------
    >>> percent(1, 3), percent(9999, 10000), percent(0, 0)
    ('33 %', '99.9 %', '–')
    """
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99 < share < 100:
        return f"{min(share, 99.9):.1f} %"
    return f"{share:.0f} %" if share >= 10 or share == int(share) else f"{share:.1f} %"
