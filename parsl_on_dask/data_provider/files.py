"""A file that an app reads or writes, by path or URL."""

from __future__ import annotations

import copy
import os
import re
from typing import TypeVar
from urllib.parse import urlparse

Self = TypeVar("Self", bound="File")

#: Schemes whose URLs are paths, in which ? and # are characters like others.
_PATHS = frozenset({"file", "zip"})

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


class File:
    """A file that an app reads or writes.

    Give it to an app as an argument or in ``inputs`` and it is staged in before the app runs; in ``outputs``
    (or as ``stdout``, ``stderr``), it is staged out afterwards. Two File objects are equal only if they are the
    same object. (Parsl's File.)

    Parameters
    ----------
    url : str or PathLike
        A path, relative to where the app runs, or a URL: ``file:///scratch/in.txt``, ``https://host/in.txt``.

    Attributes
    ----------
    url : str
        As given.
    scheme : str
        ``"file"`` for a path.
    netloc : str
        Host part of a URL, or "". Not used for ``file``.
    path : str
        Path part.
    filename : str
        Last part of the path.
    local_path : str or None
        Where a staging provider has put the file on the side that runs the app.

    Raises
    ------
    TypeError
        When `url` is neither.

    Examples
    --------
    >>> f = File("https://example.org/data/in.txt?version=2")
    >>> f.scheme, f.netloc, f.path, f.filename
    ('https', 'example.org', '/data/in.txt', 'in.txt')
    >>> import os
    >>> os.fspath(File("file:///scratch/in.txt"))
    '/scratch/in.txt'
    """

    def __init__(self, url: os.PathLike[str] | str) -> None:
        text = os.fspath(url) if isinstance(url, (str, os.PathLike)) else None
        if not isinstance(text, str):
            raise TypeError(
                f"File() takes a path or a URL as str or PathLike, not {url!r} of type {type(url).__name__}"
            )
        self.url = str(text)
        self.scheme, self.netloc, self.path = _parts(self.url, isinstance(url, os.PathLike))
        self.filename = os.path.basename(self.path)
        self.local_path: str | None = None

    def cleancopy(self: Self) -> Self:
        """A copy without ``local_path``, so that one staging does not disturb another.

        Examples
        --------
        >>> f = File("in.txt")
        >>> f.local_path = "/tmp/in.txt"
        >>> f.cleancopy().filepath, f.filepath
        ('in.txt', '/tmp/in.txt')
        """
        clean = copy.copy(self)
        clean.local_path = None
        return clean

    @property
    def filepath(self) -> str:
        """Path of the file: where it was staged to, else the path of a ``file`` URL.

        Raises
        ------
        ValueError
            For another scheme as long as the file is not staged: it has no path yet.
        """
        if self.local_path is not None:
            return self.local_path
        if self.scheme == "file":
            return self.path
        raise ValueError(
            f"No local_path set for {self!r}: a {self.scheme} file has a path only inside the app that it is given to, "
            "once it is staged. Use .url here, or take .filepath inside the app"
        )

    def __fspath__(self) -> str:
        return self.filepath

    def __str__(self) -> str:
        return self.filepath

    def __repr__(self) -> str:
        shown = ["url", "scheme", "netloc", "path", "filename"]
        if self.local_path is not None:
            shown.append("local_path")
        fields = " ".join(f"{name}={getattr(self, name)}" for name in shown)
        return f"<{type(self).__name__} at {id(self):#x} {fields}>"


def _parts(url: str, is_path: bool) -> tuple[str, str, str]:
    """Scheme, host and path."""
    if is_path and not _URL.match(url):
        return "file", "", url  # a Path such as run:1.txt is no URL
    parsed = urlparse(url)
    if not parsed.scheme or (os.name == "nt" and len(parsed.scheme) == 1):
        return "file", "", url  # in a path, ? and # are characters like others
    if parsed.scheme in _PATHS:
        rest = url.partition(":")[2]
        if not rest.startswith("//"):
            return parsed.scheme, "", rest
        host, slash, path = rest[2:].partition("/")
        return parsed.scheme, host, slash + path
    return parsed.scheme, parsed.netloc, parsed.path
