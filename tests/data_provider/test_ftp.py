"""Files from FTP servers, over connections that break."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.app.errors import StagingError
from parsl_on_dask.config import Config
from parsl_on_dask.data_provider.file_noop import NoOpFileStaging
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.ftp import FTPInTaskStaging, FTPSeparateTaskStaging
from parsl_on_dask.executors import ThreadPoolExecutor
from parsl_on_dask.lanes.failures import from_failure
from parsl_on_dask.remote import attempts
from parsl_on_dask.remote.ftp import fetch_ftp
from tests.data_provider.servers import silent_server
from tests.helpers import WAIT
from tests.kernels import unload

pyftpdlib = pytest.importorskip("pyftpdlib", reason="needs an FTP server: pip install pyftpdlib")

BODY = random.Random(1).randbytes(1_000_000)


class FTPServer:
    """A server of anonymous's and of u's files, which can be told to break transfers off."""

    def __init__(self, folder: Path) -> None:
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.handlers import DTPHandler, FTPHandler
        from pyftpdlib.servers import ThreadedFTPServer

        self.folder = folder
        self.cuts = 0
        self.commands: list[str] = []
        server = self

        class Cutting(DTPHandler):
            ac_out_buffer_size = 65536

            def send(self, data: bytes) -> int:
                sent: int = super().send(data)
                if server.cuts and self.tot_bytes_sent > 300_000:
                    server.cuts -= 1
                    self.cmd_channel.close_when_done()
                    self.close()
                return sent

        class Handler(FTPHandler):
            dtp_handler = Cutting
            use_sendfile = False

            def log_cmd(self, cmd: str, arg: str, respcode: int, respstr: str) -> None:
                server.commands.append(f"{cmd} {os.path.basename(arg or '')}".strip())

            def pre_process_command(self, line: str, cmd: str, arg: str) -> Any:
                server.commands.append(f"{cmd} {arg or ''}".strip())
                return super().pre_process_command(line, cmd, arg)

            def log(self, msg: str, logfun: Any = None) -> None:
                pass

        authorizer = DummyAuthorizer()
        authorizer.add_anonymous(str(folder))
        authorizer.add_user("u", "p@s", str(folder / "private"))
        Handler.authorizer = authorizer
        self.server = ThreadedFTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.socket.getsockname()[1]
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while not self.stop.is_set():
            self.server.serve_forever(timeout=0.05, blocking=False, handle_exit=False)

    def url(self, path: str, login: str = "") -> str:
        return f"ftp://{login}127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        self.stop.set()
        self.thread.join(10)
        self.server.close_all()


@pytest.fixture
def ftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FTPServer]:
    monkeypatch.setattr(attempts, "PAUSE", 0.01)
    (tmp_path / "served" / "private").mkdir(parents=True)
    (tmp_path / "got").mkdir()
    server = FTPServer(tmp_path / "served")
    (server.folder / "a.bin").write_bytes(BODY)
    yield server
    server.close()


@pytest.fixture
def got(tmp_path: Path) -> Path:
    return tmp_path / "got" / "a.bin"


def fetch(url: str, path: Path, timeout: float = 10, retries: int = 3) -> bytes:
    fetch_ftp(url, str(path), timeout, retries)
    assert os.listdir(path.parent) == [path.name]
    return path.read_bytes()


def refused(url: str, path: Path, timeout: float = 10, retries: int = 1) -> str:
    with pytest.raises(Exception) as caught:
        fetch_ftp(url, str(path), timeout, retries)
    assert os.listdir(path.parent) == []
    error = from_failure(caught.value, "app")
    assert isinstance(error, StagingError)
    return str(error)


def test_a_file_arrives(ftp: FTPServer, got: Path) -> None:
    assert fetch(ftp.url("/a.bin"), got) == BODY


def test_an_empty_file_arrives(ftp: FTPServer, got: Path) -> None:
    (ftp.folder / "a.bin").write_bytes(b"")
    assert fetch(ftp.url("/a.bin"), got) == b""


def test_a_broken_connection_is_taken_up_where_it_broke(ftp: FTPServer, got: Path) -> None:
    ftp.cuts = 2
    assert fetch(ftp.url("/a.bin"), got) == BODY
    assert ftp.cuts == 0 and any(c.startswith("REST ") for c in ftp.commands)


def test_a_login_in_the_url_and_an_odd_name(ftp: FTPServer, got: Path) -> None:
    (ftp.folder / "private" / "deep er").mkdir()
    (ftp.folder / "private" / "deep er" / "ä'\".txt").write_text("mine")
    assert fetch(ftp.url("/deep er/ä'\".txt", "u:p%40s@"), got) == b"mine"
    assert "530" in refused(ftp.url("/a", "u:wrong@"), Path(os.fspath(got.parent.parent / "empty" / "x")))


@pytest.fixture(autouse=True)
def empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()


def test_what_is_not_there(ftp: FTPServer, got: Path) -> None:
    assert "the server answered 550" in refused(ftp.url("/none"), got)
    assert "the server answered 550" in refused(ftp.url("/none/a.bin"), got)
    assert "the server answered 550" in refused(ftp.url("/private"), got)


def test_a_line_break_is_no_command(ftp: FTPServer, got: Path) -> None:
    assert "line break" in refused(ftp.url("/a%0D%0ADELE%20a.bin"), got)
    assert (ftp.folder / "a.bin").exists()


def test_hosts_that_do_not_answer(got: Path, tmp_path: Path) -> None:
    (tmp_path / "got").mkdir()
    with silent_server() as port:
        assert "did not answer in time" in refused(f"ftp://127.0.0.1:{port}/a", got, timeout=0.2)
    assert "Connection refused" in refused(f"ftp://127.0.0.1:{port}/a", got)
    assert "no-such-host.invalid" in refused("ftp://no-such-host.invalid/a", got, retries=0)
    assert "names no host" in refused("ftp:///a", got)
    assert "cannot be understood" in refused("ftp://h:port/a", got)


@pytest.mark.parametrize("kind", [FTPSeparateTaskStaging, FTPInTaskStaging])
def test_an_app_reads_it(
    ftp: FTPServer, tmp_path: Path, kind: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    executor = ThreadPoolExecutor(working_dir=str(tmp_path / "wd"), storage_access=[NoOpFileStaging(), kind()])
    parsl.load(Config(executors=[executor], run_dir=str(tmp_path / "runs")))
    try:
        size = parsl.python_app(lambda f: (f.filepath, os.path.getsize(f)))
        assert size(File(ftp.url("/a.bin"))).result(WAIT) == (f"{tmp_path}/wd/a.bin", len(BODY))
    finally:
        unload()
    assert ("App _ftp_stage_in" in caplog.text) is (kind is FTPSeparateTaskStaging)
