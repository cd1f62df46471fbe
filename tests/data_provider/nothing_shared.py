"""A Dask cluster whose workers see neither each other's files nor the script's, though all run on this machine.

Every worker has a mount namespace of its own, in which the same path is another directory.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import interpreters
from tests.conftest import HIDING
from tests.helpers import eventually, text_of

UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]


def can_unshare() -> bool:
    """Whether namespaces may be made here."""
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run([*UNSHARE, "sh", "-c", "mount --bind /var /mnt"], capture_output=True)
    return done.returncode == 0


#: A folder of files that a worker keeps.
KEPT = re.compile(r"/parsl-[^/]*-files-[^/]*(/|$)")


class Cluster:
    """A scheduler, and workers that share nothing.

    Attributes
    ----------
    address : str
        The scheduler's.
    private : Path
        The directory that is another one for each worker, and an empty one for the script.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.private = directory / "private"
        self.private.mkdir()
        (directory / "site").mkdir()
        (directory / "site" / "sitecustomize.py").write_text(HIDING)
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        file = directory / "scheduler.json"
        self.common = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]
        self.scheduler = self._start(["distributed.cli.dask_scheduler", *self.common, "--port", "0"], directory, ())
        eventually(lambda: text_of(file).strip().endswith("}"), "the scheduler has started", 60)
        self.address: str = json.loads(file.read_text())["address"]

    def _start(self, args: list[str], cwd: Path, before: tuple[str, ...]) -> subprocess.Popen[bytes]:
        with open(self.directory / "log", "ab") as log:
            return interpreters.Popen(
                [*before, sys.executable, "-m", *args],
                cwd=cwd,
                env={**os.environ, "PYTHONPATH": str(self.directory / "site")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def add(self, name: str, threads: int = 1) -> None:
        """Start a worker."""
        disk = self.directory / f"disk-{name}"
        disk.mkdir(exist_ok=True)
        home = self.private / "home"
        inside = f'mount --bind "{disk}" "{self.private}" && mkdir -p "{home}" && cd "{home}" && exec "$@"'
        args = ["distributed.cli.dask_worker", *self.common, "--no-nanny", "--name", name, "--nthreads", str(threads)]
        args += ["--local-directory", str(self.private / "scratch")]
        self.workers[name] = self._start(args, self.directory, (*UNSHARE, "sh", "-c", inside, "sh"))

    def wait(self) -> None:
        """Wait until the scheduler knows these workers, and no others."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:

            def known() -> bool:
                info: Any = client.scheduler_info(n_workers=-1)
                return sorted(w["name"] for w in info["workers"].values()) == sorted(self.workers)

            eventually(known, f"the workers {list(self.workers)} are there", 60)

    def disk(self, name: str) -> Path:
        """Where a worker's private directory is for those who know."""
        return self.directory / f"disk-{name}"

    def files_of(self, name: str) -> list[str]:
        """The files that a worker keeps for tasks."""
        # walk() takes no offence at what goes meanwhile
        walked = os.walk(self.disk(name))
        return sorted(file for place, _, files in walked if KEPT.search(place) for file in files)

    def kill(self, name: str) -> None:
        """End a worker without warning."""
        process = self.workers.pop(name)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in [*self.workers.values(), self.scheduler]:
            process.send_signal(signal.SIGTERM)
        for process in [*self.workers.values(), self.scheduler]:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def cluster(directory: Path, *names: str) -> Iterator[Cluster]:
    """A cluster with these workers."""
    if not can_unshare():
        pytest.skip("mount namespaces are not allowed here: run as root, or sysctl kernel.unprivileged_userns_clone=1")
    made = Cluster(directory)
    try:
        for name in names:
            made.add(name)
        made.wait()
        yield made
    finally:
        made.close()


class Peaks:
    """The most memory that processes take while a block runs, in bytes above what they had.

    Anonymous memory only: pages of files that the kernel keeps do not count.
    """

    def __init__(self, **pids: int) -> None:
        self.processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self.before: dict[str, int] = {}
        self.above: dict[str, int] = {}

    @staticmethod
    def size(process: psutil.Process) -> int:
        info: Any = process.memory_info()
        return int(info.rss - info.shared)

    def __enter__(self) -> Peaks:
        self.before = {name: self.size(p) for name, p in self.processes.items()}
        self.above = dict.fromkeys(self.processes, 0)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self) -> None:
        while not self.over.is_set():
            for name, process in self.processes.items():
                self.above[name] = max(self.above[name], self.size(process) - self.before[name])
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
