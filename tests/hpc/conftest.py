"""A real Slurm for the tests of this folder: the one that SLURM_CONF names, or one started for the session."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from parsl_on_dask.clusters import polling
from tests.helpers import eventually
from tests.hpc.slurm import Slurm
from tests.kernels import unload

CI = Path(__file__).parents[2] / "ci"
WANTED = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "squeue", "scancel")


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.timeout(300))


def lacking(reason: str, required: str = "PARSL_ON_DASK_REQUIRE_SLURM") -> NoReturn:
    """Skip; or fail, where a variable says that the software has to be there."""
    if os.environ.get(required) == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def system_path() -> str:
    """PATH with the folders of daemons, which a user's often lacks."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def need(command: str) -> None:
    """Skip, or fail where that is wanted, when there is no such command."""
    if shutil.which(command, path=system_path()) is None:
        lacking(f"no {command} here; install it, as root: bash ci/slurm/install")


@contextmanager
def up(system: str) -> Iterator[str]:
    """The folder of a batch system that ``ci/<system>/up`` starts; it is stopped afterwards."""
    # the path of a socket may have 107 characters, so it is not pytest's folder
    parent = tempfile.mkdtemp(prefix=f"{system}-")
    directory = os.path.join(parent, "s")
    began = subprocess.run(["bash", CI / system / "up", directory], capture_output=True, text=True, timeout=120)
    if began.returncode:
        pytest.fail(f"no {system} came up: {began.stderr[-3000:]}", pytrace=False)
    yield directory
    subprocess.run(["bash", CI / system / "down", directory], check=True, timeout=120)
    os.rmdir(parent)


@pytest.fixture(scope="session")
def slurm_conf(nothing_left_behind: None) -> Iterator[str]:
    """Path of the configuration of a Slurm that runs; SLURM_CONF names it for everything this process starts."""
    given = os.environ.get("SLURM_CONF")
    if given:
        answer = subprocess.run(["sinfo", "-h"], capture_output=True, text=True, timeout=60)
        if answer.returncode:
            pytest.fail(f"no Slurm answers at SLURM_CONF={given}: {answer.stderr}", pytrace=False)
        yield given
        return
    missing = [name for name in WANTED if not shutil.which(name, path=system_path())]
    if missing:
        lacking(f"no Slurm here ({', '.join(missing)}); install it, as root: bash ci/slurm/install")
    if os.getuid() != 0:
        lacking("a Slurm can be started by root only; start one with: sudo bash ci/slurm/up DIRECTORY")
    with up("slurm") as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", f"{directory}/slurm.conf")
        yield f"{directory}/slurm.conf"


@pytest.fixture(autouse=True)
def asked_soon(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """These batch systems may be asked every five seconds, in each test anew; but where just that is looked at."""
    from parsl_on_dask.clusters import polling
    from parsl_on_dask.providers.batch import BatchProvider

    monkeypatch.setattr(polling, "_desks", {})
    if not request.module.__name__.endswith("kindness"):
        monkeypatch.setattr(BatchProvider, "status_polling_interval", 5)


@pytest.fixture
def slurm(slurm_conf: str) -> Iterator[Slurm]:
    """The running Slurm, with no job in it. What a test leaves in the queue is a failure of that test."""
    slurm = Slurm(slurm_conf)
    slurm.clear()
    # what other tests have asked it in the last ten minutes does not count
    polling._desks.clear()
    yield slurm
    unload()
    try:
        eventually(lambda: not slurm.jobs(), "no job is left in the queue")
    except AssertionError as error:
        left = slurm.jobs()
        slurm.clear()
        raise AssertionError(f"{error}: {left}") from None
    finally:
        slurm.resume_all()


@pytest.fixture
def run_slurm(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function that loads a Config with these executors, in a directory of its own."""
    monkeypatch.chdir(tmp_path)

    def load(*executors: Any, **options: Any) -> Any:
        import parsl_on_dask
        from parsl_on_dask.config import Config

        options.setdefault("strategy", "none")
        options.setdefault("strategy_period", 0.5)
        return parsl_on_dask.load(Config(executors=list(executors), run_dir=str(tmp_path / "runinfo"), **options))

    return load


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[list[str]]:
    """The words of an ssh command that reaches this machine by any name, through a daemon of the test's own."""
    need("sshd")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    keys = tmp_path / "ssh"
    keys.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name], check=True)
    (keys / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {keys}/host\nAuthorizedKeysFile {keys}/user.pub\n"
        "StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nUsePAM no\nPidFile none\n"
        "AcceptEnv *\nMaxStartups 100\n"
    )
    (keys / "config").write_text(
        f"Host *\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {keys}/user\n  IdentitiesOnly yes\n"
        "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    sshd = shutil.which("sshd", path=system_path())
    assert sshd
    daemon = subprocess.Popen([sshd, "-D", "-e", "-f", keys / "sshd_config"], stderr=subprocess.DEVNULL)
    command = ["ssh", "-F", f"{keys}/config"]

    def answers() -> bool:
        return subprocess.run([*command, "anywhere", "true"], capture_output=True, timeout=30).returncode == 0

    eventually(answers, "the SSH daemon answers")
    yield command
    daemon.terminate()
    daemon.wait(10)
