"""Globus, against a service on loopback that says what Globus would."""

from __future__ import annotations

import io
import json
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.app.errors import StagingError
from parsl_on_dask.config import Config
from parsl_on_dask.data_provider import globus_service
from parsl_on_dask.data_provider.data_manager import default_staging
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.globus import Globus, GlobusStaging, cli_run
from parsl_on_dask.dataflow.errors import DependencyError
from parsl_on_dask.errors import ConfigurationError, OptionalModuleMissing
from parsl_on_dask.executors import ThreadPoolExecutor
from tests.helpers import WAIT
from tests.kernels import unload

pytest.importorskip("globus_sdk", reason="needs Globus' library: pip install globus-sdk")

HERE, THERE = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


class Service:
    """Auth and Transfer in one; an endpoint is a directory."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Path] = {}
        self.tokens = {"fresh"}
        self.refreshes = 0
        self.codes: list[str] = []
        self.tasks: dict[str, dict[str, Any]] = {}
        self.active_for = 1
        self.trouble = ""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self, data: Any, status: int = 200) -> None:
                body = json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.serve("GET", {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                is_json = self.headers.get("Content-Type", "").startswith("application/json")
                self.serve("POST", json.loads(body) if is_json else {k: v[0] for k, v in parse_qs(body).items()})

            def serve(self, method: str, data: dict[str, Any]) -> None:
                path = self.path.partition("?")[0]
                if path == "/v2/oauth2/token":
                    self.answer(*service.token(data))
                elif self.headers.get("Authorization", "").removeprefix("Bearer ") not in service.tokens:
                    self.answer({"code": "AuthenticationFailed", "message": "Token is not active"}, 401)
                else:
                    self.answer(*service.transfer(method, path.removeprefix("/v0.10"), data))

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}/"
        self.thread = threading.Thread(target=self.httpd.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.httpd.shutdown()
        self.httpd.server_close()
        self.thread.join(10)

    def token(self, data: dict[str, Any]) -> tuple[Any, int]:
        if data["grant_type"] == "authorization_code":
            if data["code"] not in self.codes:
                return {"error": "invalid_grant"}, 401
        elif data.get("refresh_token") != "r":
            return {"error": "invalid_grant"}, 400
        else:
            self.refreshes += 1
        access = f"access{len(self.tokens)}"
        self.tokens.add(access)
        return {
            "access_token": access,
            "refresh_token": "r",
            "resource_server": "transfer.api.globus.org",
            "scope": "urn:globus:auth:scope:transfer.api.globus.org:all",
            "expires_in": 3600,
            "token_type": "Bearer",
            "other_tokens": [],
        }, 200

    def transfer(self, method: str, path: str, data: dict[str, Any]) -> tuple[Any, int]:
        if path == "/submission_id":
            return {"value": f"submission{len(self.tasks)}"}, 200
        if path == "/transfer":
            for name in ("source_endpoint", "destination_endpoint"):
                if data[name] not in self.endpoints:
                    return {"code": "EndpointNotFound", "message": f"No such endpoint '{data[name]}'"}, 404
            task = {**data, "task_id": f"task{len(self.tasks)}", "left": self.active_for, "status": "ACTIVE"}
            self.tasks[task["task_id"]] = task
            return {"task_id": task["task_id"], "code": "Accepted", "DATA_TYPE": "transfer_result"}, 202
        _, _, number, *rest = path.split("/")
        task = self.tasks[number]
        if rest == ["cancel"]:
            task["status"] = "FAILED"
            return {"code": "Canceled", "message": "cancelled"}, 200
        if rest == ["event_list"]:
            events = [{"is_error": True, "description": "file not found", "details": task["error"], "time": "now"}]
            return {"DATA": events if task.get("error") else [], "total": 1, "limit": 10, "offset": 0}, 200
        if task["status"] == "ACTIVE" and not task["left"]:
            self.move(task)
        task["left"] -= 1
        shown = {"task_id": number, "status": task["status"], "nice_status": "OK", "nice_status_details": None}
        if self.trouble and task["status"] == "ACTIVE":
            shown |= {"nice_status": "PERMISSION_DENIED", "nice_status_details": self.trouble}
        return shown, 200

    def move(self, task: dict[str, Any]) -> None:
        try:
            for item in task["DATA"]:
                source = self.endpoints[task["source_endpoint"]] / item["source_path"].lstrip("/")
                target = self.endpoints[task["destination_endpoint"]] / item["destination_path"].lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
            task["status"] = "SUCCEEDED"
        except OSError as e:
            task["status"], task["error"] = "FAILED", str(e)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    service = Service()
    for name, folder in ((HERE, "here"), (THERE, "there")):
        (tmp_path / folder).mkdir()
        service.endpoints[name] = tmp_path / folder
    for name in ("AUTH", "TRANSFER"):
        monkeypatch.setenv(f"GLOBUS_SDK_SERVICE_URL_{name}", service.url)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(Globus, "authorizer", None)
    monkeypatch.setattr(globus_service, "LOOK", 0.01)
    (tmp_path / "home").mkdir()
    yield service
    service.close()


def keep_tokens(expires: float = 4e9, access: str = "fresh") -> Path:
    file = Path(globus_service.token_file())
    file.parent.mkdir(exist_ok=True)
    tokens = {"refresh_token": "r", "access_token": access, "expires_at_seconds": expires}
    file.write_text(json.dumps({"transfer.api.globus.org": tokens, "auth.globus.org": {"other": 1}}))
    return file


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Loads a kernel whose executor works in the directory that the endpoint HERE calls /scratch/wd."""

    def begin(working_dir: Any = tmp_path / "here" / "scratch" / "wd", **options: Any) -> None:
        provider = GlobusStaging(HERE, "/scratch", str(tmp_path / "here" / "scratch"), **options)
        executor = ThreadPoolExecutor(
            working_dir=None if working_dir is None else str(working_dir), storage_access=[*default_staging, provider]
        )
        parsl.load(Config(executors=[executor], run_dir=str(tmp_path / "runs")))

    yield begin
    unload()


@parsl.python_app
def upper(file: Any, outputs: Any = ()) -> str:
    text = open(file).read().upper()
    for output in outputs:
        with open(output, "w") as f:
            f.write(text)
    return file.filepath


def test_in_and_out(
    service: Service, start: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep_tokens()
    start()
    (tmp_path / "there" / "in.txt").write_text("hello")
    out = File(f"globus://{THERE}/deep/out.txt")
    future = upper(File(f"globus://{THERE}/in.txt"), outputs=[out])
    assert future.result(WAIT) == f"{tmp_path}/here/scratch/wd/in.txt"
    assert future.outputs[0].result(WAIT) is out and out.local_path is None
    assert (tmp_path / "there" / "deep" / "out.txt").read_text() == "HELLO"
    assert "App _globus_stage_in" in caplog.text and "App _globus_stage_out" in caplog.text
    assert service.refreshes == 0


def test_tokens_are_refreshed_and_kept(service: Service, start: Callable[..., Any], tmp_path: Path) -> None:
    file = keep_tokens(expires=1, access="stale")
    start()
    (tmp_path / "there" / "in.txt").write_text("hello")
    upper(File(f"globus://{THERE}/in.txt")).result(WAIT)
    assert service.refreshes == 1
    kept = json.loads(file.read_text())
    assert kept["transfer.api.globus.org"]["access_token"] in service.tokens and kept["auth.globus.org"] == {"other": 1}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_globus_says_is_in_the_error(service: Service, start: Callable[..., Any]) -> None:
    keep_tokens()
    start()
    with pytest.raises(DependencyError, match=r"globus://2.*/none.txt cannot be staged in to .*file not found: .*none"):
        upper(File(f"globus://{THERE}/none.txt")).result(WAIT)
    with pytest.raises(DependencyError, match="was refused: EndpointNotFound: No such endpoint 'elsewhere'"):
        upper(File("globus://elsewhere/in.txt")).result(WAIT)


def test_a_transfer_that_takes_too_long_is_cancelled(
    service: Service, start: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep_tokens()
    start(timeout=0.3)
    service.active_for, service.trouble = 10**9, "permission denied on the other side"
    with pytest.raises(DependencyError, match="was not done in 0.3 seconds.*cancelled"):
        upper(File(f"globus://{THERE}/in.txt")).result(WAIT)
    assert [t["status"] for t in service.tasks.values()] == ["FAILED"]
    assert caplog.text.count("goes on in spite of: permission denied") == 1


def test_without_tokens_and_terminal_it_says_what_to_do(
    service: Service, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    start()
    future = upper(File(f"globus://{THERE}/in.txt"))
    with pytest.raises(DependencyError, match="Run python -m parsl_on_dask globus-auth in a terminal"):
        future.result(WAIT)
    assert isinstance(future.exception().__cause__, StagingError)
    with pytest.raises(SystemExit, match="^parsl_on_dask globus-auth: Parsl has not been allowed"):
        cli_run()


def test_the_command_that_logs_in(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return " wrong " if len(asked) == 1 else " code "

    monkeypatch.setattr(globus_service, "get_input", answer)
    service.codes.append("code")
    with pytest.raises(SystemExit, match="Globus refused"):
        cli_run()
    cli_run()
    assert "client_id=8b8060fd-610e-4a74-885e-1051c71ad473" in asked[1]
    assert "Authorization complete" in capsys.readouterr().out
    file = Path(globus_service.token_file())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    cli_run()
    assert len(asked) == 2


def test_a_broken_token_file_is_like_none(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(globus_service, "get_input", lambda prompt: "code")
    service.codes.append("code")
    keep_tokens().write_text('{"half')
    cli_run()
    assert json.loads(Path(globus_service.token_file()).read_text())["transfer.api.globus.org"]["refresh_token"] == "r"


def test_what_cannot_be_is_refused_at_the_call(
    service: Service, start: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start()
    with pytest.raises(ValueError, match="names no endpoint"):
        upper(File("globus:/in.txt"))
    with pytest.raises(ValueError, match="is not the name of a file"):
        upper(File(f"globus://{THERE}/in/.."))
    monkeypatch.setitem(sys.modules, "globus_sdk", None)
    with pytest.raises(OptionalModuleMissing, match=r"pip install 'parsl-on-dask\[globus-transfer\]'"):
        upper(File(f"globus://{THERE}/in.txt"))


@pytest.mark.parametrize("working_dir", [None, "/elsewhere"])
def test_it_needs_a_working_dir_that_the_endpoint_reaches(
    service: Service, start: Callable[..., Any], working_dir: Any
) -> None:
    start(working_dir)
    with pytest.raises(ValueError, match="working_dir"):
        upper(File(f"globus://{THERE}/in.txt"))


def test_arguments_are_checked() -> None:
    for wrong in ((3,), ("",), ("id", "/x"), ("id", None, "/x"), ("id", 3, "/x")):
        with pytest.raises(ConfigurationError):
            GlobusStaging(*wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        GlobusStaging("id", timeout=0)
    assert repr(GlobusStaging("id")) == "GlobusStaging('id', endpoint_path=None, local_path=None, timeout=None)"
