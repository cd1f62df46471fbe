"""The process that keeps a Dask scheduler on this machine, seen from here.

A script that computes all the time would hold its scheduler up, so the scheduler has a process of its own. A
:class:`Supervisor` starts :mod:`parsl_on_dask.clusters.node` and talks to it. For workers on this machine the
process keeps these, too; the scheduler of blocks elsewhere is alone in it.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from parsl_on_dask.clusters.startup import package_folder, places
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.remote.children import keep_socket

if TYPE_CHECKING:
    from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor

logger = logging.getLogger("parsl.clusters.supervisor")

#: Seconds for the process to answer. Generous: a loaded machine, or a worker_init that activates something large.
START_TIMEOUT = 120.0
#: Lines of error output that an error shows.
TAIL = 15

#: Settings of Dask that hold in the processes that we start.
DASK_CONFIG: dict[str, Any] = {
    "distributed": {
        # a call whose worker died is a failed try, and Parsl's retries decide
        # and a call that keeps its worker from answering for long is no reason to end that
        "scheduler": {"allowed-failures": 0, "worker-saturation": 1.0, "worker-ttl": None},
        "worker": {
            "memory": {"target": False, "spill": False, "pause": False, "terminate": False},
            # each look at a call takes the interpreter from it: two a second instead of a hundred fill the profile, too
            "profile": {"interval": "500ms"},
        },
        "admin": {
            # results ride on event streams; Dask would keep the last thousand of them
            "low-level-log-length": 50,
            # reading the system's counters takes milliseconds from the calls
            "system-monitor": {"interval": "2s"},
            "tick": {"interval": "500ms"},
        },
    }
}


def dask_config(scratch: str | None) -> dict[str, Any]:
    """Dask's settings for the processes that we start: the user's, ours, and where temporary files go."""
    from dask import config

    place = {} if scratch is None else {"temporary-directory": scratch}
    merged: dict[str, Any] = config.merge(config.global_config, DASK_CONFIG, place)
    return merged


def certificates(executor: Any) -> tuple[Any, dict[str, str] | None]:
    """A Security object with certificates of its own, and these as text; twice None for no TLS."""
    from distributed.security import Security

    if not executor.encrypted:
        return None, None
    security = Security.temporary()
    fields = ["tls_ca_file"]
    fields += [f"tls_{role}_{part}" for role in ("client", "scheduler", "worker") for part in ("key", "cert")]
    return security, {field: getattr(security, field) for field in fields}


class Cluster(Protocol):
    """A cluster, as the processes see it that keep its scheduler and workers."""

    closed: bool
    error: str | None
    executor: HighThroughputExecutor


class Supervisor:
    """One supervisor process on this machine.

    - `cluster`: the ``run_dir`` of whose executor gets the script, and what it writes, in ``submit_scripts``.
    - `scratch`: directory of this run's temporary files.
    - `name`: of the block; None when it keeps a scheduler only.
    """

    def __init__(self, cluster: Cluster, scratch: str, name: str | None) -> None:
        self.cluster = cluster
        self.executor = cluster.executor
        self.scratch = scratch
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None
        self.listener: socket.socket | None = None
        self.link: socket.socket | None = None
        self.closing = False
        self.schedules = False
        self.telling = threading.Lock()

    def command(self, path: str) -> str:
        """The shell command that starts the process, which is to listen to the socket at ``path``."""
        package = package_folder()
        code = f"import sys; sys.path.insert(0, {package!r}); import parsl_on_dask.clusters.node as n; n.main({path!r})"
        return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"

    def shell_text(self, command: str, job: str) -> str:
        """The shell text that starts the process."""
        return f"exec {command}\n"

    def received(self, message: dict[str, Any]) -> None:
        """The process reports something. In a thread of its own."""
        if "error" in message:
            logger.error("Executor %s: %s", self.executor.label, message["error"])
            self.cluster.error = message["error"]

    def launch(self) -> None:
        """Start the process, which begins to import what it will need. It is not waited for."""
        folder = os.path.join(self.executor.run_dir or self.scratch, "submit_scripts")
        os.makedirs(folder, exist_ok=True)
        job = f"parsl.{self.executor.label}.block-{self.name or 'scheduler'}.{time.time()}"
        script = os.path.join(folder, job + ".sh")
        self.stderr = script + ".err"
        path = os.path.join(self.scratch, f"{self.name or 'scheduler'}.sock")
        with open(script, "w") as file:
            file.write(self.shell_text(self.command(path), job))
        with open(f"{path}.from", "w") as file:
            json.dump(places(), file)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o600)
        self.listener.listen(1)
        with open(script + ".out", "wb") as out, open(self.stderr, "wb") as err:
            self.process = subprocess.Popen(
                ["/bin/bash", script], stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )

    def _accepted(self) -> socket.socket:
        assert self.listener is not None
        deadline = time.monotonic() + START_TIMEOUT
        with self.listener as listener:
            listener.settimeout(0.05)
            while True:
                try:
                    link, _ = listener.accept()
                    link.settimeout(None)
                    return link
                except TimeoutError:
                    if self.ended() or time.monotonic() > deadline:
                        raise self.failed("its processes did not start") from None

    def failed(self, what: str) -> ExecutorError:
        """The error that says ``what``, with the end of the process's error output."""
        try:
            with open(self.stderr, errors="replace") as file:
                tail = "".join(file.readlines()[-TAIL:])
        except OSError:
            tail = ""
        code = self.process.poll() if self.process else None
        text = f"{what}" + (f" (exit code {code})" if code is not None else "")
        return ExecutorError(self.executor, f"{text}. The end of {self.stderr}:\n{tail}")

    def tell(self, message: Any) -> None:
        """Send the process a message."""
        assert self.link is not None
        with self.telling:
            self.link.sendall(json.dumps(message).encode() + b"\n")

    def begin(self, spec: dict[str, Any]) -> str:
        """Say what to start; returns the scheduler's address.

        - `spec`: ``scheduler`` (its settings or None), ``address`` (of a scheduler that runs already), ``workers``,
          ``security``.

        Raises ExecutorError when it does not start.
        """
        from parsl_on_dask.importing import alias

        self.schedules = spec["scheduler"] is not None
        self.link = self._accepted()
        keep_socket(self.link)
        lines = self.link.makefile("rb")
        self.link.settimeout(START_TIMEOUT)
        try:
            self.tell(
                {**spec, "config": dask_config(self.scratch), "alias": alias.environment(), "scratch": self.scratch}
            )
            first = lines.readline()
        except TimeoutError:
            raise self.failed(f"its scheduler did not start within {START_TIMEOUT:g} s") from None
        self.link.settimeout(None)
        if not first:
            raise self.failed("its scheduler did not start")
        answer = json.loads(first)
        if "error" in answer:
            raise self.failed(answer["error"])
        threading.Thread(target=self._listen, args=(lines,), name="parsl-block", daemon=True).start()
        return str(answer["scheduler"])

    def _listen(self, lines: Any) -> None:
        try:
            for line in lines:
                self.received(json.loads(line))
        except (OSError, ValueError):
            pass
        if self.schedules and not self.closing and not self.cluster.closed:
            self.cluster.error = self.cluster.error or "the process that keeps its scheduler ended"

    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.process is not None and self.process.poll() is not None

    def close(self) -> None:
        """End the process and all that it started, and wait for that."""
        self.closing = True
        if self.listener is not None:
            self.listener.close()
        if self.link is not None:
            try:
                self.link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.link.close()
        if self.process is None:
            return
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            logger.warning("block %s of %s did not end by itself; killing it", self.name, self.executor.label)
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
