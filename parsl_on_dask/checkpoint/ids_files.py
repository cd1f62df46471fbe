"""What identifies a ``File``: its name, or also its time of change, or what is in it."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from parsl_on_dask.checkpoint.ids import DIGEST, id_for_memo, tagged
from parsl_on_dask.checkpoint.policy import FILE_POLICIES as POLICIES
from parsl_on_dask.checkpoint.policy import FilePolicy, chosen
from parsl_on_dask.data_provider.files import File

#: How an input file counts, unless a key is asked for with another policy.
DEFAULT: FilePolicy = "path"

#: Bytes that are read at a time.
CHUNK = 1 << 20
#: A file that changed within so many nanoseconds may change again without a new time: its digest is not remembered.
FRESH = 2_000_000_000
#: So many digests of contents are remembered.
REMEMBERED = 10_000

_now = threading.local()
_digests: dict[tuple[str, int, int], bytes] = {}


class MissingFile(FileNotFoundError, ValueError):
    """An input file cannot be looked at, and the policy needs that."""


@contextmanager
def files_by(policy: FilePolicy) -> Iterator[None]:
    """Identify input files in this way, in this thread.

    `policy`: one of 'path', 'stat', 'content'.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as d:
    ...     path = os.path.join(d, "in.txt")
    ...     ids = []
    ...     for text in ("a", "b"):
    ...         _ = open(path, "w").write(text)
    ...         with files_by("content"):
    ...             ids.append((id_for_memo(File(path)), id_for_memo(File(path), output_ref=True)))
    >>> ids[0][0] == ids[1][0], ids[0][1] == ids[1][1]
    (False, True)
    """
    before = getattr(_now, "policy", None)
    _now.policy = chosen(
        policy,
        POLICIES,
        f"files={policy!r} is not a way to identify an input file: write 'path' (by its name), "
        "'stat' (name, size and time of change) or 'content' (what is in it)",
    )
    try:
        yield
    finally:
        _now.policy = before


@id_for_memo.register(File)
def file_id(obj: File, output_ref: bool = False) -> bytes:
    """An output, and a remote file that is not here, count by name."""
    local = obj.scheme == "file"
    name = (obj.path if local else obj.url).encode("utf-8", "surrogatepass")
    policy = getattr(_now, "policy", None) or DEFAULT
    if output_ref or policy == "path":
        return tagged("File", name)
    if local:
        return tagged("File " + policy, name, _stat(obj.path)[2] if policy == "stat" else content(obj.path))
    # when the staged copy was written says nothing about the file
    if policy == "content" and obj.local_path is not None and os.path.isfile(obj.local_path):
        return tagged("File content", name, content(obj.local_path))
    return tagged("File", name)


def _stat(path: str) -> tuple[int, int, bytes]:
    try:
        status = os.stat(path)
    except OSError as e:
        raise MissingFile(
            f"input file {os.path.abspath(path)} cannot be looked at ({e.strerror}), and files count by "
            "size and time, or content. Make the file before the call, or let files count by files='path'",
        ) from e
    return status.st_size, status.st_mtime_ns, b"%d %d" % (status.st_size, status.st_mtime_ns)


def content(path: str) -> bytes:
    """A digest of what is in a file. It is read once, as long as its size and time of change stay.

    Raises MissingFile when it cannot be read, or is a directory.
    """
    size, changed, _ = _stat(path)
    key = (os.path.abspath(path), size, changed)
    known = _digests.get(key)
    if known is not None:
        return known
    digest = hashlib.blake2b(digest_size=DIGEST)
    try:
        with open(path, "rb") as file:
            while data := file.read(CHUNK):
                digest.update(data)
    except OSError as e:
        raise MissingFile(
            f"input file {os.path.abspath(path)} cannot be read ({e.strerror}), and files count by content. "
            "Give a file that can be read, or let files count by files='path' or 'stat'",
        ) from e
    found = digest.digest()
    if _stat(path)[:2] == (size, changed) and time.time_ns() - changed > FRESH:
        if len(_digests) >= REMEMBERED:
            _digests.clear()
        _digests[key] = found
    return found
