"""The supervisor's word: what is made of it, and of its silence."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.clusters.supervisor import Supervisor
from parsl_on_dask.errors import ExecutorError
from tests.helpers import eventually


def test_one_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parsl_on_dask.clusters.supervisor.START_TIMEOUT", 0.1)
    executor: Any = SimpleNamespace(label="silent", run_dir=str(tmp_path))
    cluster: Any = SimpleNamespace(executor=executor, error=None, closed=False)
    supervisor = Supervisor(cluster, str(tmp_path), "0")
    supervisor.stderr = str(tmp_path / "none")
    path = str(tmp_path / "silent.sock")
    supervisor.listener = socket.socket(socket.AF_UNIX)
    supervisor.listener.bind(path)
    supervisor.listener.listen(1)
    other = socket.socket(socket.AF_UNIX)
    other.connect(path)
    try:
        with pytest.raises(ExecutorError, match=r"did not start within 0\.1 s"):
            supervisor.begin({"scheduler": None, "address": "", "workers": [], "security": None})
    finally:
        supervisor.close()
        other.close()


def test_a_worker_that_is_said_to_be_dead_is_struck_off(warm_workers: Any) -> None:
    """Also when its connection is still there."""
    cluster = warm_workers

    def known() -> set[str]:
        return {worker["name"] for worker in cluster.workers()}

    eventually(lambda: len(known()) == 2, "both are known")
    address, worker = cluster.roster.members()[0]
    name = worker.name
    cluster.strike_off(address)
    eventually(lambda: name not in known(), "the scheduler does not count it any more")
    eventually(lambda: len(known()) == 2, "it left, and another one took its place", 60)
