"""Fetches a file over FTP, and goes on where a broken connection left it."""

from __future__ import annotations

import ftplib
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from .attempts import FetchBroken, FetchRefused, fetch, restart
from .placing import place
from .staged import saying


def fetch_ftp(url: str, path: str, timeout: float, retries: int, version: str | None = None) -> None:
    """Bring a file from an FTP server; parameters and errors as of :func:`~parsl_on_dask.remote.http.fetch_http`."""
    with saying("in", url, path):
        place(path, lambda part: download(url, part, timeout, retries), key=url, version=version)


def _ftp_stage_in(
    working_dir: str | None, outputs: Sequence[Any], timeout: float, retries: int, version: str | None = None, **_: Any
) -> None:
    """The task that brings a file before those that need it."""
    fetch_ftp(outputs[0].url, outputs[0].local_path, timeout, retries, version)


def download(url: str, part: str, timeout: float, retries: int) -> None:
    """Write what is at an ``ftp:`` URL to a file.

    Raises OSError when it could not be had.
    """

    def attempt(file: BinaryIO) -> None:
        try:
            _attempt(url, file, timeout)
        except ftplib.error_perm as e:
            raise FetchRefused(f"the server answered {e}") from e
        except socket.gaierror as e:
            raise FetchRefused(f"the host {urlsplit(url).hostname!r} is not known: {e.strerror}") from e

    fetch(attempt, part, retries, (OSError, EOFError, ftplib.Error))


def _attempt(url: str, file: BinaryIO, timeout: float) -> None:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port or 21
    except ValueError as e:
        raise FetchRefused(f"the URL cannot be understood: {e}") from None
    if not host:
        raise FetchRefused("the URL names no host: write it as ftp://host/path")
    folder, name = os.path.split(unquote(parts.path))
    if any(c in folder + name for c in "\r\n\0"):
        raise FetchRefused("a line break cannot be part of a name on an FTP server")
    with ftplib.FTP(timeout=timeout) as ftp:
        ftp.connect(host, port)
        ftp.login(unquote(parts.username or ""), unquote(parts.password or ""))
        ftp.cwd(folder or "/")
        ftp.voidcmd("TYPE I")
        total = None
        with suppress(ftplib.error_perm):  # not every server knows the command
            total = ftp.size(name)
        have = file.tell()
        if have and (total is None or have > total):
            have = restart(file)
        if have != total or not have:
            try:
                ftp.retrbinary(f"RETR {name}", file.write, rest=have or None)
            except ftplib.error_perm:
                if not have:
                    raise
                restart(file)
                raise FetchBroken("the server cannot go on in the middle of a file") from None
        have = file.tell()
        file.flush()
        if total is not None and have != total:
            raise FetchBroken(f"the connection ended after {have} of {total} bytes")
