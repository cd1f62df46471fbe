"""Where there is no fork, Dask's own LocalCluster does the work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from parsl_on_dask.clusters.spawned import SpawnedCluster
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.providers import LocalProvider

SCRIPT = """
import os, warnings
import parsl_on_dask as parsl
from parsl_on_dask.executors import HighThroughputExecutor

@parsl.python_app
def pid(x):
    import os
    return os.getpid(), x

if __name__ == "__main__":
    del os.fork
    warnings.simplefilter("ignore")
    config = parsl.Config(executors=[HighThroughputExecutor(max_workers_per_node=2, label="spawned")])
    with parsl.load(config):
        found = [f.result() for f in [pid(i) for i in range(50)]]
    assert [x for _, x in found] == list(range(50))
    assert os.getpid() not in {p for p, _ in found}
    print("fine")
"""


@pytest.mark.extended
def test_a_guarded_script_runs(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == "fine", done.stderr


def test_what_needs_a_shell_is_refused() -> None:
    executor = HighThroughputExecutor(provider=LocalProvider(worker_init="module load x"), max_workers_per_node=1)
    with pytest.raises(ConfigurationError, match="worker_init"):
        SpawnedCluster(executor)
