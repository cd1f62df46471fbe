"""Prints the digests of all values as JSON: run by the tests in other processes."""

from __future__ import annotations

import hashlib
import json
import sys

import parsl_on_dask.checkpoint.keys  # noqa: F401 (makes the types known)
from parsl_on_dask.checkpoint.ids import ident
from tests.checkpoint.values import values


def digests() -> dict[str, str]:
    return {name: hashlib.md5(ident(value)).hexdigest() for name, value in values().items()}


if __name__ == "__main__":
    json.dump(digests(), sys.stdout, indent=1)
    print()
