"""Servers on loopback that hand out files, and misbehave where a test says so."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Page:
    """One file on the server.

    cut: after so many bytes of an answer the connection is closed, for so many answers (`cuts`).
    status: answered instead of 200, for so many answers (`refusals`).
    """

    body: bytes = b""
    ranges: bool = True
    etag: str | None = '"1"'
    length: bool = True
    cut: int = 0
    cuts: int = 0
    status: int = 200
    refusals: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    gate: threading.Event | None = None
    login: str | None = None


@dataclass
class WebServer:
    """What the tests see of a server."""

    port: int
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str, login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.port}{path}"

    def count(self, path: str) -> int:
        return sum(p == path for p, _ in self.requests)


@contextmanager
def web_server(security: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.requests.append((self.path, dict(self.headers)))
            page = server.pages.get(self.path.partition("?")[0])
            if page is None:
                self.send_error(404, "Not Found")
                return
            if page.gate is not None:
                page.gate.wait(60)
            if page.login is not None and self.headers.get("Authorization") != page.login:
                self.send_error(401, "Unauthorized")
                return
            if page.refusals:
                page.refusals -= 1
                self.send_error(page.status)
                return
            body, begin = page.body, 0
            wanted = self.headers.get("Range", "")
            if page.ranges and wanted and self.headers.get("If-Range", page.etag) == page.etag:
                begin = int(wanted.removeprefix("bytes=").partition("-")[0])
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response((page.headers.get("Location") and 302) or 200)
            body = body[begin:]
            if page.etag:
                self.send_header("ETag", page.etag)
            for name, value in page.headers.items():
                self.send_header(name, value)
            if page.length:
                self.send_header("Content-Length", str(len(body)))
            else:
                self.send_header("Connection", "close")
            self.end_headers()
            if page.cut and page.cuts:
                page.cuts -= 1
                body = body[: page.cut]
                self.close_connection = True
            self.wfile.write(body)
            if not page.length:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    if security is not None:
        httpd.socket = security.wrap_socket(httpd.socket, server_side=True)
    server = WebServer(httpd.server_address[1])
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join(10)


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of one that accepts connections and says nothing."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]
