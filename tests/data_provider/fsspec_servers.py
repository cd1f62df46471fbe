"""An S3 server and an SSH server on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import eventually


def need(*modules: str, install: str) -> None:
    """Skip the test where modules are missing."""
    missing = [m for m in modules if find_spec(m) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: pip install {install}")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(command: list[str], port: int, directory: Path) -> Iterator[None]:
    """A server, from when it takes connections until the end of the block."""
    with open(directory / "server.log", "ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        eventually(lambda: answers(port), f"{command[0]} answers", 60)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def s3_server(directory: Path) -> Iterator[dict[str, Any]]:
    """moto's S3 with a bucket named ``bucket``; gives the options that its file system is opened with."""
    need("moto", "s3fs", "flask", install="'moto[server]' s3fs")
    port = free_port()
    with running([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port, directory):
        options = {"key": "testing", "secret": "testing", "endpoint_url": f"http://127.0.0.1:{port}"}
        import s3fs

        s3fs.S3FileSystem(**options, skip_instance_cache=True).mkdir("bucket")
        yield options


@contextmanager
def ssh_server(directory: Path) -> Iterator[dict[str, Any]]:
    """A private sshd; gives port and key."""
    sshd = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if sshd is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no sshd: apt-get install openssh-server")
    port = free_port()
    for name in ("hostkey", "id"):
        # PEM, which every client reads
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", str(directory / name)], check=True
        )
    shutil.copy(directory / "id.pub", directory / "authorized_keys")
    (directory / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/hostkey\n"
        f"AuthorizedKeysFile {directory}/authorized_keys\nStrictModes no\nPasswordAuthentication no\n"
        f"PermitRootLogin yes\nUsePAM no\nPidFile {directory}/pid\nMaxStartups 100\nMaxSessions 100\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    with running([sshd, "-D", "-e", "-f", str(directory / "sshd_config")], port, directory):
        yield {"port": port, "key": str(directory / "id")}
