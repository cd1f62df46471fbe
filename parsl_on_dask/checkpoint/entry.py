"""Describes a recorded result, and says what is wrong with a damaged one."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, field

from parsl_on_dask.errors import ParslError

logger = logging.getLogger("parsl.dataflow.memoization")


class DamagedEntry(ParslError):
    """A recorded result is there no longer, is damaged, or cannot be unpickled here.

    Who wanted it does the work again. The message names the file, and ``__cause__`` is what Python said, if it did.
    """


class CheckpointWarning(UserWarning):
    """Something about a checkpoint directory that does not stop a run, but that its owner should know."""


@dataclass(slots=True)
class Entry:
    """A recorded result, without its value.

    Parameters
    ----------
    key : str
        32 hexadecimal digits.
    app : str
        Name of the app.
    identity : str
        The policy by which its function was identified: ``"name"``, ``"source"`` or what the user chose.
    written : float
        When, in seconds since 1970.
    size : int
        Bytes of the pickled value.
    side : str
        Name of the file with the value, in the ``values`` directory beside the segment; empty when the value is in
        the segment.
    parts : tuple of (label, digest, text)
        What went into the key.
    where : str
        Path of the segment.
    at : int
        Where in the segment the record begins, in bytes.
    crc : int
        CRC-32 of the file with the value.
    """

    key: str
    app: str
    identity: str
    written: float
    size: int
    side: str
    parts: tuple[tuple[str, ...], ...]
    where: str
    at: int = field(default=0, repr=False)
    crc: int = field(default=0, repr=False)


def warn(text: str) -> None:
    """Tell the user, on the screen and in the log."""
    logger.warning("%s", text)
    warnings.warn(text, CheckpointWarning, stacklevel=3)
