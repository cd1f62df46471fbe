"""However a script ends, no job of its stays in the queue, and no file outside its run directory."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.helpers import Script, eventually
from tests.hpc.slurm import Slurm

SCRIPT = """
    import os
    import sys
    import time

    import parsl_on_dask as parsl
    from parsl_on_dask.config import Config
    from parsl_on_dask.executors import HighThroughputExecutor
    from parsl_on_dask.launchers import SrunLauncher
    from parsl_on_dask.providers import SlurmProvider

    executor = HighThroughputExecutor(
        label="jobs",
        address="127.0.0.1",
        max_workers_per_node=1,
        provider=SlurmProvider(
            "debug", nodes_per_block=2, init_blocks=2, max_blocks=2, exclusive=False, launcher=SrunLauncher(),
            cmd_timeout=60,
        ),
    )
    parsl.load(Config([executor], strategy="none"))

    @parsl.python_app
    def wait(seconds):
        import time

        time.sleep(seconds)

    wait(0).result()
    long = wait(1000)
    print("running", flush=True)
    """


def started(script: Callable[..., Script], ending: str) -> Script:
    one = script(SCRIPT + ending)
    one.said("running", 120)
    return one


@pytest.mark.parametrize(
    "how",
    ["clear", "exception", "Ctrl-C", "SIGTERM", "kill -9"],
)
def test_leaving(slurm: Slurm, script: Callable[..., Script], how: str) -> None:
    endings: dict[str, Any] = {
        "clear": "parsl.dfk().cleanup()",
        "exception": "raise RuntimeError('enough')",
    }
    one = started(script, endings.get(how, "time.sleep(1000)"))
    if how == "Ctrl-C":
        one.signal(signal.SIGINT)
    elif how == "SIGTERM":
        one.signal(signal.SIGTERM)
    elif how == "kill -9":
        one.signal(signal.SIGKILL)
    code = one.ends(90)
    assert (code == 0) == (how == "clear"), one.stderr
    # a dead script's workers notice by themselves, and end their jobs
    eventually(lambda: not slurm.jobs(), "no job stays in the queue")
    one.leaves_nothing()
    ours = {"script.py", "stdout.txt", "stderr.txt", "runinfo"}
    assert {path.name for path in one.directory.iterdir()} <= ours
    secrets = [path for path in one.directory.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert not secrets, "also a script that is killed leaves no keys"
