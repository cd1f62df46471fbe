"""Fetches a file over HTTP or HTTPS, and goes on where a broken connection left it."""

from __future__ import annotations

import base64
import http.client
import netrc
import os
import re
import socket
import ssl
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from .attempts import FetchBroken, FetchRefused, fetch, restart
from .placing import place
from .staged import saying

#: Answers after which another attempt may have better luck.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

CHUNK = 1 << 18


def fetch_http(url: str, path: str, timeout: float, retries: int, version: str | None = None) -> None:
    """Bring a file from the web.

    - `path`: where it goes.
    - `timeout`: seconds for which a server may be silent.
    - `retries`: how many attempts in a row may fail to bring anything, after the first.
    - `version`: see :func:`~parsl_on_dask.remote.placing.place`.

    Raises Failure: ``StagingError``.
    """
    with saying("in", url, path):
        place(path, lambda part: download(url, part, timeout, retries), key=url, version=version)


def _http_stage_in(
    working_dir: str | None, outputs: Sequence[Any], timeout: float, retries: int, version: str | None = None, **_: Any
) -> None:
    """The task that brings a file before those that need it."""
    fetch_http(outputs[0].url, outputs[0].local_path, timeout, retries, version)


def download(url: str, part: str, timeout: float, retries: int) -> None:
    """Write what is at a URL to a file.

    Raises OSError when it could not be had.
    """
    transfer = Transfer(url, timeout)
    fetch(transfer.attempt, part, retries, (OSError, http.client.HTTPException))
    if transfer.coding:
        _decode(part, transfer.coding)


class Transfer:
    """The attempts to fetch one file.

    - `coding`: how the server has encoded the file, although nobody asked for it.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.url, self.authorization = prepared(url)
        self.timeout = timeout
        self.opener = _opener()
        self.validator: str | None = None
        self.total: int | None = None
        self.coding = ""

    def attempt(self, file: BinaryIO) -> None:
        """Ask for what is missing, and write it."""
        have = file.tell()
        if have and self.validator is None:
            have = restart(file)
        with closing(self._open(have)) as response:
            if have and response.status == 206 and self._continues(response, have):
                pass
            else:
                if have:
                    have = restart(file)
                if response.status == 206:
                    raise FetchRefused("the server answered with a part of the file that was not asked for")
                self._note(response)
            try:
                while data := response.read1(CHUNK):
                    file.write(data)
                    have += len(data)
            except http.client.IncompleteRead as e:
                raise FetchBroken("the connection ended before the file did") from e
        file.flush()
        if self.total is not None and have != self.total:
            if have > self.total:
                self.validator = None  # what is there is of no use
            raise FetchBroken(f"the connection ended after {have} of {self.total} bytes")

    def _open(self, have: int) -> Any:
        request = urllib.request.Request(self.url, headers={"User-Agent": "parsl_on_dask", "Accept": "*/*"})
        request.add_header("Accept-Encoding", "identity")
        if self.authorization:
            request.add_unredirected_header("Authorization", self.authorization)
        if have and self.validator:
            request.add_header("Range", f"bytes={have}-")
            request.add_header("If-Range", self.validator)
        try:
            return self.opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as e:
            with closing(e):
                text = f"the server answered {e.code} {e.reason}"
                if e.code == 416:  # it is shorter now
                    self.validator = None
                elif e.code not in PASSING:
                    raise FetchRefused(text) from None
                broken = FetchBroken(text)
                with suppress(ValueError):  # it may also be a date
                    broken.pause = float(e.headers.get("Retry-After", "0"))
                raise broken from None
        except urllib.error.URLError as e:
            cause = e.reason
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise FetchRefused(f"its certificate cannot be trusted: {cause.verify_message}") from cause
            if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
                host = urlsplit(self.url).hostname
                raise FetchRefused(f"the host {host!r} is not known: {cause.strerror}") from cause
            if isinstance(cause, OSError):
                raise cause from None
            raise FetchRefused(str(cause)) from None

    def _note(self, response: Any) -> None:
        headers = response.headers
        tag = headers.get("ETag")
        weak = tag is not None and tag.startswith("W/")
        self.validator = None if headers.get("Accept-Ranges") == "none" else _latin(tag if tag and not weak else None)
        if self.validator is None and tag is None and headers.get("Accept-Ranges") == "bytes":
            self.validator = _latin(headers.get("Last-Modified"))
        length = headers.get("Content-Length", "")
        self.total = int(length) if length.isdigit() and not response.chunked else None
        coding = headers.get("Content-Encoding", "").strip().lower()
        self.coding = "" if coding == "identity" else coding

    def _continues(self, response: Any, have: int) -> bool:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if found is None or int(found[1]) != have:
            return False
        return found[2] == "*" or self.total is None or int(found[2]) == self.total


def prepared(url: str) -> tuple[str, str | None]:
    """The URL as it goes over the wire, and the value of the header Authorization.

    >>> prepared("http://user:pass@h/a b?q=ä")
    ('http://h/a%20b?q=%C3%A4', 'Basic dXNlcjpwYXNz')
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host:
        raise FetchRefused("the URL names no host: write it as http://host/path")
    login: tuple[str, str] | None = None
    if parts.username is not None:
        login = unquote(parts.username), unquote(parts.password or "")
    else:
        with suppress(OSError, netrc.NetrcParseError):
            known = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
            if known:
                login = known[0] or known[1] or "", known[2] or ""
    try:
        place = f"[{host}]" if ":" in host else host.encode("ascii" if host.isascii() else "idna").decode()
        place += f":{parts.port}" if parts.port is not None else ""
    except ValueError as e:
        raise FetchRefused(f"the URL cannot be understood: {e}") from None
    path, query = (quote(part, safe="%/:=&?~+!$,;'@()*[]") for part in (parts.path, parts.query))
    wire = urlunsplit((parts.scheme, place, path or "/", query, ""))
    if login is None:
        return wire, None
    return wire, "Basic " + base64.b64encode(f"{login[0]}:{login[1]}".encode()).decode("ascii")


class _Encrypted(urllib.request.HTTPSHandler):
    """Reads the certificates of authorities, which takes longer than a small download, only where they are needed."""

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(http.client.HTTPSConnection, req, context=_certificates())


def _opener() -> urllib.request.OpenerDirector:
    # not build_opener: a redirection must not lead to file: or ftp:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        _Encrypted(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _certificates() -> ssl.SSLContext:
    """The authorities of the system, of ``certifi`` and of the environment."""
    context = ssl.create_default_context()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        bundle = os.environ.get(name)
        if bundle:
            is_folder = os.path.isdir(bundle)
            context.load_verify_locations(capath=bundle if is_folder else None, cafile=None if is_folder else bundle)
            return context
    try:
        import certifi
    except ImportError:
        return context
    with suppress(OSError):
        context.load_verify_locations(certifi.where())
    return context


def _latin(value: str | None) -> str | None:
    """A header that can be sent back."""
    return value if value is not None and value.isascii() and value.isprintable() else None


def _decode(part: str, coding: str) -> None:
    """Undo an encoding that was not asked for."""
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise FetchRefused(f"the server has encoded the file as {coding!r}, which was not asked for")
    plain = part + "-plain"
    try:
        with open(part, "rb") as source, open(plain, "wb") as sink:
            inflate = zlib.decompressobj(47)
            while data := source.read(CHUNK):
                sink.write(inflate.decompress(data))
            sink.write(inflate.flush())
            if not inflate.eof:
                raise FetchBroken("the file that the server has compressed ends too early")
        os.replace(plain, part)
    except zlib.error as e:
        raise FetchRefused(f"what the server has compressed cannot be read: {e}") from e
    finally:
        with suppress(OSError):
            os.unlink(plain)
