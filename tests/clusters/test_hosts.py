"""Machines that are reached by SSH: a private sshd on several loopback addresses."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import parsl_on_dask as parsl
from parsl_on_dask.clusters.hosts import HostsProvider
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.executors.errors import BadStateException
from parsl_on_dask.jobs.states import JobState
from tests.environments import is_in, looker, make
from tests.helpers import eventually

MISSING = [tool for tool in ("ssh", "ssh-keygen", "/usr/sbin/sshd") if shutil.which(tool) is None]
needs_sshd = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)} not found; install with: apt-get install openssh-server openssh-client"
)


@pytest.fixture(scope="module")
def ssh_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Options by which ssh logs in at 127.0.0.1, 127.0.0.2 and 127.0.0.3."""
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("hostkey", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "key.pub", folder / "authorized")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listen = "\n".join(f"ListenAddress 127.0.0.{i}" for i in (1, 2, 3))
    (folder / "config").write_text(
        f"Port {port}\n{listen}\nHostKey {folder}/hostkey\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\n"
        f"PermitRootLogin prohibit-password\nPasswordAuthentication no\nUsePAM no\nPidFile {folder}/pid\n"
    )
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    server = subprocess.Popen(
        ["/usr/sbin/sshd", "-D", "-f", str(folder / "config"), "-E", str(folder / "log")],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.3", port)) == 0

        eventually(answers, "sshd answers")
        yield [
            *("-p", str(port), "-i", str(folder / "key")),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"),
        ]
    finally:
        server.terminate()
        server.wait(20)


def node() -> tuple[str, str]:
    import os
    import time

    time.sleep(0.02)
    return os.environ["PARSL_WORKER_BLOCK_ID"], os.environ["SSH_CONNECTION"].split()[2]


@needs_sshd
@pytest.mark.timeout(180)
def test_each_host_is_a_block(ssh_options: list[str], tmp_path: Path) -> None:
    hosts = HostsProvider(["127.0.0.1", "127.0.0.2", "127.0.0.3"], ssh_options=ssh_options, init_blocks=2)
    executor = HighThroughputExecutor(label="hosts", provider=hosts, address="127.0.0.1", max_workers_per_node=1)
    before = set(psutil.pids())
    with parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path), strategy="none")) as kernel:
        eventually(lambda: len(executor.lane.workers()) == 2, "two blocks of one worker", 60)
        found = {f.result(60) for f in [kernel.submit(node) for _ in range(60)]}
        assert {block for block, _ in found} == {"0", "1"}
        assert {host for _, host in found} == {"127.0.0.1", "127.0.0.2"}
        executor.scale_out_facade(2)
        eventually(lambda: len(executor.lane.workers()) == 3, "a third host", 60)
        refused = eventually(lambda: executor.status()["3"].terminal and executor.status()["3"], "no fourth")
        assert "all 3 hosts are in use" in refused.message
        (gone,) = executor.scale_in(1)
        eventually(lambda: len(executor.lane.workers()) == 2, "one is given back")
        assert executor.status()[gone].state is JobState.SCALED_IN
        for file in [p for p in Path(executor.run_dir).rglob("*") if p.is_file()]:
            assert "PRIVATE KEY" not in file.read_text(errors="replace"), "keys go through the connection"

    def left() -> list[Any]:
        new = [p for p in psutil.process_iter(["cmdline"]) if p.pid not in before]
        return [p for p in new if "main('-')" in " ".join(p.info["cmdline"] or ())]

    eventually(lambda: not left(), "nothing of ours runs on the hosts")


@needs_sshd
@pytest.mark.timeout(180)
def test_a_python_that_is_not_there(ssh_options: list[str], tmp_path: Path) -> None:
    hosts = HostsProvider(["127.0.0.1"], ssh_options=ssh_options, python="/opt/none/bin/python")
    executor = HighThroughputExecutor(label="hosts", provider=hosts, address="127.0.0.1")
    with (
        parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path))) as kernel,
        pytest.raises(BadStateException, match=r"(?s)/opt/none/bin/python.*No such file"),
    ):
        kernel.submit(node).result(60)


@needs_sshd
@pytest.mark.timeout(180)
def test_a_host_that_does_not_answer(tmp_path: Path) -> None:
    hosts = HostsProvider(["127.0.0.1"], ssh_options=["-p", "9"])
    executor = HighThroughputExecutor(label="hosts", provider=hosts, address="127.0.0.1")
    with (
        parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path))) as kernel,
        pytest.raises(BadStateException, match="(?s)ssh could not reach 127.0.0.1.*Connection refused"),
    ):
        kernel.submit(node).result(60)


@pytest.mark.parametrize(
    "hosts",
    [[], "node1", ["node1", "node1"], ["-oProxyCommand=x"], ["a b"], [3]],
    ids=["none", "text", "twice", *"oxn"],
)
def test_wrong_hosts(hosts: Any) -> None:
    with pytest.raises(ConfigurationError, match="HostsProvider"):
        HostsProvider(hosts)


@needs_sshd
def test_the_environment_that_is_activated_over_there(ssh_options: list[str], tmp_path: Path) -> None:
    """Its packages are taken, and none of the script's."""
    other = make(tmp_path / "env", "distributed", "numpy")
    hosts = HostsProvider(["127.0.0.1"], ssh_options=ssh_options, worker_init=f"source {other}/bin/activate")
    executor = HighThroughputExecutor(label="hosts", provider=hosts, address="127.0.0.1", max_workers_per_node=1)
    with parsl.load(parsl.Config([executor], run_dir=str(tmp_path / "runinfo"))) as kernel:
        assert is_in(other, kernel.submit(looker()).result(60))
