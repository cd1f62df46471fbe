"""Files that rsync moves, over a real ssh server on loopback."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.app.errors import MissingOutputs, StagingError
from parsl_on_dask.config import Config
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.rsync import RSyncStaging
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl_on_dask.lanes.failures import from_failure
from parsl_on_dask.remote.rsync import fetch_rsync, send_rsync
from tests.helpers import WAIT, eventually
from tests.kernels import unload

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
MISSING = [name for name in ("rsync", "ssh", "ssh-keygen", SSHD) if shutil.which(name) is None]

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {', '.join(MISSING)}: apt-get install rsync openssh-client openssh-server"
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        port: int = s.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The command that logs in at an ssh server, with a key and without questions."""
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "PermitRootLogin prohibit-password\n"
    )
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.PIPE)
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    command = ["ssh", "-p", str(port), "-i", str(folder / "user"), "-F", "none"]
    command += [f"-o{option}" for option in options]
    try:

        def answers() -> bool:
            assert server.poll() is None, server.stderr and server.stderr.read()
            return subprocess.run([*command, "127.0.0.1", "true"], capture_output=True).returncode == 0

        try:
            eventually(answers, "the ssh server answers")
        except AssertionError as e:
            pytest.skip(f"needs an ssh server that lets {getpass.getuser()} in: {e}")
        yield shlex.join(command)
    finally:
        server.terminate()
        server.wait(10)
        assert server.stderr is not None
        server.stderr.close()


@pytest.fixture(autouse=True)
def rsh(ssh: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSYNC_RSH", ssh)


ODD = "a b'\"\n;$(touch hacked) ä*:x.txt"


@pytest.mark.parametrize("name", ["plain.txt", ODD, "-n", "x:y"])
def test_there_and_back(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("here", "there", "wd"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "wd")
    (tmp_path / "here" / name).write_text("hello")
    fetch_rsync("127.0.0.1", str(tmp_path / "here" / name), name, 10)
    assert (tmp_path / "wd" / name).read_text() == "hello"
    send_rsync("127.0.0.1", str(tmp_path / "there" / name), name, 10)
    assert (tmp_path / "there" / name).read_text() == "hello"
    assert os.listdir(tmp_path / "wd") == os.listdir(tmp_path / "there") == [name]


def refused(step: Callable[..., None], *args: Any) -> str:
    with pytest.raises(Exception) as caught:
        step(*args)
    error = from_failure(caught.value, "app")
    assert isinstance(error, StagingError)
    return str(error)


def test_what_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "wd").mkdir()
    (tmp_path / "file").write_text("x")
    target = str(tmp_path / "wd" / "x")
    assert "No such file" in refused(fetch_rsync, "127.0.0.1", str(tmp_path / "none"), target, 10)
    assert "moved nothing: skipping directory" in refused(
        fetch_rsync, "127.0.0.1", str(tmp_path / "folder"), target, 10
    )
    assert "has not written it" in refused(send_rsync, "127.0.0.1", str(tmp_path / "new"), target, 10)
    assert "a directory where" in refused(send_rsync, "127.0.0.1", str(tmp_path / "new"), str(tmp_path / "folder"), 10)
    assert "exit code" in refused(send_rsync, "127.0.0.1", str(tmp_path / "none" / "new"), str(tmp_path / "file"), 10)
    assert os.listdir(tmp_path / "wd") == [] and not (tmp_path / "new").exists()
    monkeypatch.setenv("RSYNC_RSH", f"ssh -F none -p {free_port()} -o BatchMode=yes")
    assert "Connection refused" in refused(fetch_rsync, "127.0.0.1", str(tmp_path / "file"), target, 10)
    monkeypatch.setenv("PATH", "/nowhere")
    assert "rsync is not installed" in refused(fetch_rsync, "127.0.0.1", str(tmp_path / "file"), target, 10)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    fetch_rsync("127.0.0.1", str(tmp_path / "link"), str(tmp_path / "wd" / "got"), 10)
    got = tmp_path / "wd" / "got"
    assert got.read_text() == "x" and stat.S_ISREG(got.lstat().st_mode)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_pipeline_of_apps(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home, wd = tmp_path / "home", tmp_path / "wd"
    home.mkdir()
    monkeypatch.chdir(home)
    (home / "x.txt").write_text("hello\n")
    (home / "out").mkdir()
    common: dict[str, Any] = {"working_dir": str(wd), "storage_access": [RSyncStaging("127.0.0.1", timeout=20)]}
    executor = (
        ThreadPoolExecutor(**common)
        if kind == "threads"
        else HighThroughputExecutor(max_workers_per_node=2, address="127.0.0.1", **common)
    )
    parsl.load(Config(executors=[executor], run_dir=str(tmp_path / "runs"), strategy="none"))
    try:

        @parsl.bash_app
        def upper(inputs: Any = (), outputs: Any = ()) -> str:
            return f"tr a-z A-Z < {inputs[0]} > {outputs[0]}"

        @parsl.python_app
        def size(file: Any, outputs: Any = ()) -> Any:
            return file.filepath, len(open(file).read())

        # one name in two directories: they are not to meet on the worker
        first = upper(inputs=[File("x.txt")], outputs=[File("out/x.txt")])
        assert first.outputs[0].result(WAIT).filepath == "out/x.txt"
        assert (home / "out" / "x.txt").read_text() == "HELLO\n"
        path, length = size(first.outputs[0]).result(WAIT)
        assert path.startswith(str(wd)) and length == 6
        with pytest.raises(StagingError, match="cannot be staged out from .*/wd/y.txt.*: the app has not written it"):
            size(File("x.txt"), outputs=[File("y.txt")]).result(WAIT)

        @parsl.bash_app
        def nothing(outputs: Any = ()) -> str:
            return "true"

        with pytest.raises(MissingOutputs, match="y.txt"):
            nothing(outputs=[File("y.txt")]).result(WAIT)
        assert sorted(os.listdir(home)) == ["out", "x.txt"]
    finally:
        unload()


@pytest.mark.parametrize("hostname", ["", "-oProxyCommand=x", "host:path", "a b", "host/path", None, 3])
def test_host_names_that_cannot_be(hostname: Any) -> None:
    with pytest.raises(ConfigurationError, match="Write for example hostname="):
        RSyncStaging(hostname)


def test_the_provider() -> None:
    provider = RSyncStaging("me@host")
    assert repr(provider) == "RSyncStaging('me@host', timeout=60)"
    for url, accepted in [("a.txt", True), ("file:///a", True), ("http://h/a", False)]:
        assert provider.can_stage_in(File(url)) is provider.can_stage_out(File(url)) is accepted
