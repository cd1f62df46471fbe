"""Versions: which release of Parsl scripts find here, and that of this package itself.

Programs compare ``parsl.__version__`` with the release of Parsl that they need. So ``VERSION``, which is Parsl's name,
is the release whose API this is, or the one that was chosen with ``--dialect``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    VERSION: str

__all__ = ["PACKAGE_VERSION", "PARSL_VERSION", "VERSION"]

#: The release of this package.
PACKAGE_VERSION = "1.0.0"
#: The release of Parsl whose API this is.
PARSL_VERSION = "2026.10.26"


def _parsl_version() -> str:
    from parsl_on_dask.old_spellings.dialect import release

    chosen = release()
    if chosen is None:
        return PARSL_VERSION
    # Parsl writes days and months with two digits: texts compare as dates do
    return "{}.{}.{}".format(*chosen) if chosen[0] < 2000 else "{}.{:02}.{:02}".format(*chosen)


def __getattr__(name: str) -> Any:
    """Give ``VERSION``, which can change with the dialect."""
    if name == "VERSION":
        return _parsl_version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "VERSION"})
