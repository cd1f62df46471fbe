"""Copies of values on the cluster, for several calls that are given the same ones.

Each call gets values that it may change without any other seeing that. The buffers of arrays, also of those in a
data frame or a container, are written once to a file in memory. A copy is a private mapping of this file: the system
copies a page of it when the page is changed, so that a copy costs next to nothing until then.
"""

from __future__ import annotations

import copy
import mmap
import os
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pickle import PickleBuffer
from typing import Any

from .packing import FIXED, dumps, loads

#: Bytes of buffers from which on a file in memory pays.
WORTH = 1_000_000
#: The buffers begin at multiples of this many bytes, as those of numpy do.
ALIGNED = 64
#: Seconds that a file is kept for the next shift. It takes as much memory as the copy that a running call has.
KEPT = 1.0

#: Python before 3.13 keeps a descriptor for each mapping.
_WITHOUT_DESCRIPTOR = {"trackfd": False} if sys.version_info >= (3, 13) else {}


class Copies:
    """Gives out copies of the values of one shift.

    - `calls`: how many calls may ask. For a single one no file is made, unless another shift has had the same value.

    Examples
    --------
    >>> copies = Copies([[1, 2]], calls=2)
    >>> copies[0].append(3)
    >>> copies[0]
    [1, 2]
    """

    def __init__(self, values: Sequence[Any], calls: int) -> None:
        self.values = values
        self.several = calls > 1
        self.files: dict[int, File | None] = {}

    def __getitem__(self, number: int) -> Any:
        value = self.values[number]
        if number not in self.files:
            self.files[number] = None if type(value) in FIXED else kept.file_of(value, self.several)
        file = self.files[number]
        if file is not None:
            with suppress(OSError):  # too many mappings
                return file.copy()
        return copied(value)


def copied(value: Any) -> Any:
    """A copy of a value, as a call would have got if the value had travelled; itself when it cannot be copied."""
    if type(value) in FIXED:
        return value
    try:
        # an array copies itself at once; of all else pickle makes copies faster
        return copy.deepcopy(value) if hasattr(value, "__array_interface__") else loads(dumps(value))
    except Exception:
        return value


class File:
    """A value whose buffers are in a file in memory, which is closed when nobody refers to this object.

    - `data`: the pickled rest of the value.
    - `places`: where each buffer begins and ends in the file.
    """

    def __init__(self, data: bytes, buffers: Sequence[PickleBuffer]) -> None:
        self.data = data
        self.places: list[tuple[int, int]] = []
        self.number = os.memfd_create("parsl-copies")
        weakref.finalize(self, os.close, self.number)
        self.size = 0
        for buffer in buffers:
            with buffer.raw() as view:
                begin = end = -(-self.size // ALIGNED) * ALIGNED
                while end - begin < view.nbytes:
                    end += os.pwrite(self.number, view[end - begin :], end)
            self.places.append((begin, end))
            self.size = end

    def copy(self) -> Any:
        mapping: Any = mmap.mmap
        whole = memoryview(mapping(self.number, self.size, access=mmap.ACCESS_COPY, **_WITHOUT_DESCRIPTOR))
        return loads(self.data, buffers=[whole[begin:end] for begin, end in self.places])


def written(value: Any) -> File | None:
    """Write the buffers of a value. None when it has too few, or no file in memory can be had."""
    if not hasattr(os, "memfd_create"):  # Linux has it
        return None
    buffers: list[PickleBuffer] = []
    try:
        data = dumps(value, buffers)
        views = [buffer.raw() for buffer in buffers]
        # what is read-only would stay so, other than in a plain copy
        if sum([view.nbytes for view in views]) < WORTH or any([view.readonly for view in views]):
            return None
        return File(data, buffers)
    except Exception:  # it cannot be pickled, a buffer has holes, or there is no memory for it
        return None


class _Kept:
    """The files of the values that shifts of this process have asked for lately."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        #: by the id of the value: the value, its file if there is one, and when it was asked for
        self.known: dict[int, tuple[weakref.ref[Any], File | None, float]] = {}

    def file_of(self, value: Any, several: bool) -> File | None:
        """The file of a value. For a single call it is made when the value is asked for the second time."""
        with self.lock:
            ref, file, _ = self.known.get(id(value), (None, None, 0.0))
        again = ref is not None and ref() is value
        file = file if again else None
        if file is None and (several or again):
            file = written(value)  # not under the lock, as pickling runs code of the user's
        with self.lock:
            try:
                self.known[id(value)] = weakref.ref(value), file, time.monotonic()
            except TypeError:  # a container: its file lasts as long as the shift
                self.known.pop(id(value), None)
        return file

    def sweep(self, now: float | None = None) -> None:
        """Forget what is not there any more, and what was not asked for lately."""
        oldest = (time.monotonic() if now is None else now) - KEPT
        with self.lock:
            for number, (ref, _, asked) in list(self.known.items()):
                if ref() is None or asked <= oldest:
                    del self.known[number]


kept = _Kept()
