"""What a process has around it that its calls depend on."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple


class Surroundings(NamedTuple):
    """The working directory and the environment of a process."""

    directory: str
    environment: dict[str, str]


def surroundings() -> Surroundings:
    """Those of this process, now."""
    directory = ""
    with suppress(OSError):  # it was removed
        directory = os.getcwd()
    return Surroundings(directory, dict(os.environ))
