"""Prints the digests of all values as JSON: run by the tests in other processes.

With ``row`` as its word it prints the row of its Python for ``digests_by_python.json``. It needs no package.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys

import parsl_on_dask.checkpoint.keys  # noqa: F401 (makes the types known)
from parsl_on_dask.checkpoint.ids import ident
from tests.checkpoint.values import values


def digests() -> dict[str, str]:
    return {name: hashlib.md5(ident(value)).hexdigest() for name, value in values().items()}


def row() -> dict[str, str]:
    """All digests in one, by the release of Python that made it."""
    text = json.dumps(digests(), sort_keys=True)
    return {platform.python_version(): hashlib.sha256(text.encode()).hexdigest()}


if __name__ == "__main__":
    json.dump(row() if sys.argv[1:] == ["row"] else digests(), sys.stdout, indent=1)
    print()
