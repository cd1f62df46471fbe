"""MD5 as Python itself has it."""

from __future__ import annotations

import hashlib

from parsl_on_dask.python_internals.digests import short_md5


def test_short_md5() -> None:
    assert short_md5(b"parsl").hexdigest() == hashlib.md5(b"parsl", usedforsecurity=False).hexdigest()
