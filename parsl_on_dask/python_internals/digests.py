"""MD5 as Python itself has it: it takes a third of the time that OpenSSL's needs to begin with."""

from __future__ import annotations

import hashlib

try:
    from _md5 import md5 as short_md5  # type: ignore[import-not-found]
except ImportError:  # this Python was built without it
    short_md5 = hashlib.md5

__all__ = ["short_md5"]
