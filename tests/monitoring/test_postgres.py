"""The record in a real PostgreSQL, started for the test on a loopback port of its own."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import File, bash_app, python_app
from parsl_on_dask.monitoring import MonitoringHub
from parsl_on_dask.monitoring.errors import MonitoringHubStartError
from tests import kernels
from tests.helpers import eventually
from tests.monitoring.needs import lacking

DRIVERS = [name for name in ("psycopg2", "psycopg") if find_spec(name) is not None]


@python_app
def double(x):
    if x < 0:
        raise ValueError("no good\0")
    return 2 * x


@bash_app
def write(outputs=()):
    return f"sleep 1; echo 1 > {outputs[0].filepath}"


def program(name: str) -> str | None:
    """A program of PostgreSQL's; Debian keeps them out of the PATH."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return shutil.which(name) or (found[-1] if found else None)


class Postgres:
    """A server with a database "parsl"."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        # it refuses to run as root
        self.user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self.user is not None:
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)
            for parent in folder.parents:
                if parent.owner() == "root" and parent != Path("/") and not parent.stat().st_mode & 0o001:
                    parent.chmod(parent.stat().st_mode | 0o011)
        done = self.run(str(program("initdb")), "-D", str(folder / "data"), "-U", "parsl", "-A", "trust", "-E", "UTF8")
        assert done.returncode == 0, done.stderr
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    def as_user(self) -> dict[str, Any]:
        if self.user is None:
            return {"cwd": self.folder}
        return {"cwd": self.folder, "user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, timeout=100, **self.as_user())

    def start(self) -> None:
        settings = (f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}")
        command = [str(program("postgres")), "-D", str(self.folder / "data")]
        for setting in settings:
            command += ["-c", setting]

        def answers() -> bool:
            if self.process is None or self.process.poll() is not None:  # or what it left is in the way for a moment
                with open(self.folder.parent / "postgres.log", "ab") as log:
                    self.process = subprocess.Popen(command, stdout=log, stderr=log, **self.as_user())
            return self.ask("SELECT 1") == ["1"]

        eventually(answers, "PostgreSQL answers", 60)

    def ask(self, sql: str) -> list[str] | None:
        """Rows as psql prints them; None when it cannot be asked."""
        psql = [str(program("psql")), "-h", "127.0.0.1", "-p", str(self.port), "-U", "parsl", "-d", "postgres"]
        done = self.run(*psql, "-A", "-t", "-c", sql)
        return done.stdout.splitlines() if done.returncode == 0 else None

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)  # at once, like a crash
        self.process.wait(30)

    def url(self, driver: str) -> str:
        return f"postgresql+{driver}://parsl:secret@127.0.0.1:{self.port}/postgres"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    if not program("initdb") or not program("psql"):
        lacking("no PostgreSQL: apt-get install postgresql")
    if not DRIVERS:
        lacking("no driver for PostgreSQL: pip install psycopg2-binary")
    folder = tmp_path_factory.mktemp("postgres") / "server"
    folder.mkdir()
    server = Postgres(folder)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def config_name() -> str:
    return "processes"


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_run(postgres: Postgres, load: Callable[..., Any], tmp_path: Path, driver: str) -> None:
    hub = MonitoringHub(logging_endpoint=postgres.url(driver), resource_monitoring_interval=0.2)
    assert "secret" not in repr(hub)
    kernel = load(monitoring=hub, retries=1)
    made = write(outputs=[File(str(tmp_path / "made"))])
    futures = [double(i) for i in range(600)]
    bad = double(-1)
    assert [f.result(60) for f in futures] == [2 * i for i in range(600)]
    assert made.result(60) == 0
    bad.exception()
    kernels.unload()
    run = f"run_id = '{kernel.run_id}'"
    ask = postgres.ask
    assert ask(f"SELECT tasks_failed_count, tasks_completed_count FROM workflow WHERE {run}") == ["1|601"]
    assert ask(f"SELECT count(*) FROM task WHERE {run} AND task_time_returned > task_time_invoked") == ["602"]
    assert ask(f'SELECT count(*) FROM "try" WHERE {run} AND hostname IS NOT NULL') == ["603"]
    counts = ask(f"SELECT task_status_name, count(*) FROM status WHERE {run} GROUP BY 1 ORDER BY 1")
    assert counts == [
        "exec_done|601",
        "fail_retryable|1",
        "failed|1",
        "launched|603",
        "pending|603",
        "running|603",
        "running_ended|603",
    ]
    assert int((ask(f"SELECT count(*) FROM resource WHERE {run}") or ["0"])[0]) >= 1206
    assert ask(f"SELECT status FROM block WHERE {run} ORDER BY timestamp") == ["PENDING", "RUNNING", "SCALED_IN"]
    # one row more where the second worker came later than the first
    assert list(dict.fromkeys(ask(f"SELECT active FROM node WHERE {run} ORDER BY id"))) == ["t", "f"]
    assert "secret" not in (Path(kernel.run_dir) / "parsl.log").read_text()


@pytest.mark.parametrize("driver", DRIVERS[:1])
def test_a_server_that_goes_and_comes_back(
    postgres: Postgres, load: Callable[..., Any], caplog: pytest.LogCaptureFixture, driver: str
) -> None:
    kernel = load(monitoring=MonitoringHub(logging_endpoint=postgres.url(driver)))
    done = f"SELECT count(*) FROM status WHERE run_id = '{kernel.run_id}' AND task_status_name = 'exec_done'"
    assert [f.result(60) for f in [double(i) for i in range(10)]] == [2 * i for i in range(10)]
    eventually(lambda: postgres.ask(done) == ["10"], "the first calls are recorded", 60)
    postgres.stop()
    assert [f.result(60) for f in [double(i) for i in range(10)]] == [2 * i for i in range(10)]
    eventually(lambda: "cannot be written" in caplog.text, "the log says that the records wait", 60)
    assert "secret" not in caplog.text
    postgres.start()
    eventually(lambda: postgres.ask(done) == ["20"], "the rest is recorded", 90)


@pytest.mark.parametrize("driver", DRIVERS[:1])
def test_no_server(load: Callable[..., Any], driver: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"postgresql+{driver}://parsl:secret@127.0.0.1:{port}/nothing"
    with pytest.raises(MonitoringHubStartError, match="cannot be opened") as caught:
        load(monitoring=MonitoringHub(logging_endpoint=url))
    assert "secret" not in str(caught.value)
