"""Files from the web arrive whole or not at all, over connections that break."""

from __future__ import annotations

import gzip
import os
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.app.errors import StagingError
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.http import HTTPInTaskStaging, HTTPSeparateTaskStaging
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.lanes.failures import from_failure
from parsl_on_dask.remote import attempts
from parsl_on_dask.remote.http import fetch_http
from tests.data_provider.servers import Page, WebServer, silent_server, web_server

BODY = random.Random(1).randbytes(1_000_000)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "PAUSE", 0.01)
    monkeypatch.setattr(attempts, "LONGEST_PAUSE", 0.01)


def fetch(url: str, path: Path, timeout: float = 10, retries: int = 3) -> bytes:
    fetch_http(url, str(path), timeout, retries)
    return path.read_bytes()


def refused(url: str, path: Path, timeout: float = 10, retries: int = 1) -> str:
    """The error's text; nothing is left of the file."""
    before = os.listdir(path.parent)
    with pytest.raises(Exception) as caught:
        fetch_http(url, str(path), timeout, retries)
    assert os.listdir(path.parent) == before
    error = from_failure(caught.value, "app")
    assert isinstance(error, StagingError) and error.url == url and error.path == str(path)
    return str(error)


def test_a_file_arrives(web: WebServer, tmp_path: Path) -> None:
    web.pages["/a.bin"] = Page(BODY)
    assert fetch(web.url("/a.bin"), tmp_path / "x" / "a.bin") == BODY
    assert os.listdir(tmp_path / "x") == ["a.bin"]


@pytest.mark.parametrize("length", [True, False])
def test_an_empty_file_arrives(web: WebServer, tmp_path: Path, length: bool) -> None:
    web.pages["/a.bin"] = Page(b"", length=length)
    assert fetch(web.url("/a.bin"), tmp_path / "a.bin") == b""


def test_a_broken_connection_is_taken_up_where_it_broke(web: WebServer, tmp_path: Path) -> None:
    web.pages["/a.bin"] = Page(BODY, cut=300_000, cuts=3)
    assert fetch(web.url("/a.bin"), tmp_path / "a.bin", retries=1) == BODY
    ranges = [headers.get("Range") for _, headers in web.requests]
    assert ranges == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


@pytest.mark.parametrize("page", [Page(BODY, ranges=False), Page(BODY, etag=None), Page(BODY, etag='W/"1"')])
def test_or_begun_again_where_that_cannot_be(web: WebServer, tmp_path: Path, page: Page) -> None:
    page.cut, page.cuts = 300_000, 1
    web.pages["/a.bin"] = page
    assert fetch(web.url("/a.bin"), tmp_path / "a.bin") == BODY
    assert len(web.requests) == 2


class Always(dict[str, Page]):
    """Pages that are made anew at each request."""

    def __init__(self, make: Callable[[], Page]) -> None:
        self.make = make

    def get(self, key: str, default: Any = None) -> Page:
        return self.make()


def test_a_file_that_changes_in_between_is_not_mixed(web: WebServer, tmp_path: Path) -> None:
    page = web.pages["/a.bin"] = Page(BODY, cut=300_000, cuts=1)
    pages = iter([page, Page(BODY[::-1], etag='"2"')])
    web.pages = Always(lambda: next(pages))
    assert fetch(web.url("/a.bin"), tmp_path / "a.bin") == BODY[::-1]
    assert web.requests[1][1]["Range"] == "bytes=300000-"


def test_a_connection_that_always_breaks(web: WebServer, tmp_path: Path) -> None:
    web.pages["/a.bin"] = Page(BODY, cut=1000, cuts=1000, ranges=False)
    text = refused(web.url("/a.bin"), tmp_path / "a.bin")
    assert "the connection ended after 1000 of 1000000 bytes; 2 attempts brought nothing" in text
    assert text.startswith(f"{web.url('/a.bin')} cannot be staged in to {tmp_path}/a.bin on {socket.gethostname()}: ")


def test_an_existing_file_survives_a_failure(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("before")
    web.pages["/a.bin"] = Page(BODY, cut=1000, cuts=1000, ranges=False)
    refused(web.url("/a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_text() == "before"


@pytest.mark.parametrize("status", [503, 429, 500])
def test_a_server_that_is_busy_is_asked_again(web: WebServer, tmp_path: Path, status: int) -> None:
    web.pages["/a.bin"] = Page(BODY, status=status, refusals=2)
    assert fetch(web.url("/a.bin"), tmp_path / "a.bin") == BODY


def test_an_error_page_is_no_file(web: WebServer, tmp_path: Path) -> None:
    assert refused(web.url("/none"), tmp_path / "a.bin").endswith(": the server answered 404 Not Found")
    assert len(web.requests) == 1


def test_a_server_that_is_silent(tmp_path: Path) -> None:
    with silent_server() as port:
        text = refused(f"http://127.0.0.1:{port}/a", tmp_path / "a.bin", timeout=0.2, retries=1)
    assert "did not answer in time" in text and "timeout=" in text and "2 attempts" in text


def test_a_host_that_refuses(tmp_path: Path) -> None:
    with silent_server() as port:
        pass
    assert "Connection refused" in refused(f"http://127.0.0.1:{port}/a", tmp_path / "a.bin")


def test_a_host_that_nobody_knows(tmp_path: Path) -> None:
    text = refused("http://no-such-host.invalid/a", tmp_path / "a.bin", retries=0)
    assert "no-such-host.invalid" in text


@pytest.mark.parametrize("url", ["http:///a", "http://h:port/a", "https://[::1/a"])
def test_urls_that_cannot_be(tmp_path: Path, url: str) -> None:
    refused(url, tmp_path / "a.bin")


def test_names_are_quoted_and_queries_kept(web: WebServer, tmp_path: Path) -> None:
    web.pages["/a%20b%C3%A4%22'.txt"] = Page(b"odd")
    assert fetch(web.url("/a bä\"'.txt?v=1 2"), tmp_path / "a.bin") == b"odd"
    assert web.requests[0][0].endswith("?v=1%202")


def test_login_in_the_url_is_not_given_to_others(web: WebServer, tmp_path: Path) -> None:
    web.pages["/a.bin"] = Page(b"secret", login="Basic dTpwQHM=")
    web.pages["/moved"] = Page(b"", headers={"Location": f"http://localhost:{web.port}/b.bin"})
    web.pages["/b.bin"] = Page(b"open")
    assert fetch(web.url("/a.bin", "u:p%40s@"), tmp_path / "a.bin") == b"secret"
    assert "401" in refused(web.url("/a.bin"), tmp_path / "b.bin")
    assert fetch(web.url("/moved", "u:p@"), tmp_path / "b.bin") == b"open"
    assert "Authorization" in web.requests[-2][1] and "Authorization" not in web.requests[-1][1]


def test_login_from_netrc(web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login u password p@s\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    web.pages["/a.bin"] = Page(b"secret", login="Basic dTpwQHM=")
    assert fetch(web.url("/a.bin"), tmp_path / "a.bin") == b"secret"


def test_redirections_lead_to_the_web_only(web: WebServer, tmp_path: Path) -> None:
    web.pages["/moved"] = Page(b"", headers={"Location": "file:///etc/passwd"})
    refused(web.url("/moved"), tmp_path / "a.bin")


def test_compression_that_nobody_asked_for_is_undone(web: WebServer, tmp_path: Path) -> None:
    packed = gzip.compress(BODY)
    web.pages["/a.bin"] = Page(packed, headers={"Content-Encoding": "gzip"}, cut=500_000, cuts=1)
    assert fetch(web.url("/a.bin"), tmp_path / "a.bin") == BODY
    web.pages["/a.bin"] = Page(packed[:-10], headers={"Content-Encoding": "gzip"})
    assert "ends too early" in refused(web.url("/a.bin"), tmp_path / "b.bin")
    web.pages["/a.bin"] = Page(packed, headers={"Content-Encoding": "br"})
    assert "'br'" in refused(web.url("/a.bin"), tmp_path / "b.bin")


@pytest.mark.parametrize("kind", [HTTPSeparateTaskStaging, HTTPInTaskStaging])
def test_the_providers(kind: Any) -> None:
    provider = kind(timeout=2.5, retries=0)
    assert repr(provider) == f"{kind.__name__}(retries=0, timeout=2.5)"
    for url, accepted in [("http://h/a", True), ("https://h/a", True), ("ftp://h/a", False), ("a", False)]:
        assert provider.can_stage_in(File(url)) is accepted
        assert not provider.can_stage_out(File(url))
    for wrong in ({"timeout": 0}, {"timeout": "5"}, {"retries": -1}, {"retries": 1.5}):
        with pytest.raises(ConfigurationError):
            kind(**wrong)


# ---------------------------------------------------------------- https


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[WebServer, Path]]:
    """A server whose certificate only those trust who know the file."""
    import datetime
    import ipaddress
    import ssl

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        certificate.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with web_server(context) as server:
        yield server, file


def test_https(secure: tuple[WebServer, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, certificate = secure
    server.pages["/a.bin"] = Page(BODY, cut=300_000, cuts=1)
    url = server.url("/a.bin").replace("http:", "https:")
    (tmp_path / "got").mkdir()
    assert "its certificate cannot be trusted" in refused(url, tmp_path / "got" / "a.bin")
    assert not server.requests
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert fetch(url, tmp_path / "got" / "a.bin") == BODY
    assert len(server.requests) == 2
