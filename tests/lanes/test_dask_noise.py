"""What Dask says of our connections is not on a script's stderr; what it says of the user's is where it was."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from parsl_on_dask.lanes.dask_noise import to_our_log
from tests.helpers import Script

KILLED = """
import sys, time
import psutil
import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor

@python_app
def slow(seconds):
    import time
    time.sleep(seconds)

parsl.load(Config(executors=[HighThroughputExecutor(max_workers_per_node=2)]))
slow(0).result()
calls = [slow(60) for _ in range(4)]
processes = psutil.Process().children(recursive=True)
for process in processes:
    process.kill()
print(all(call.exception(60) is not None for call in calls))
parsl.clear()
"""

CLEARED = """
import time
import parsl_on_dask as parsl
from parsl_on_dask import python_app
from distributed import Client, LocalCluster

@python_app
def slow(seconds):
    import time
    time.sleep(seconds)

if __name__ == "__main__":
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0")
    client = Client(cluster)
    parsl.load(client)
    slow(0).result()
    calls = [slow(0.5) for _ in range(5)]
    parsl.clear()
    print("cleared")
"""


def test_a_killed_cluster_is_told_in_our_words(script: Callable[..., Script]) -> None:
    killed = script(KILLED, fresh=True)
    assert killed.ends() == 0
    assert killed.stdout == "True\n"
    assert killed.stderr == ""


@pytest.mark.extended
def test_clear_while_work_runs_on_a_client_that_is_left_open(script: Callable[..., Script]) -> None:
    cleared = script(CLEARED)
    assert cleared.ends() == 0
    assert cleared.stdout == "cleared\n"
    assert "Traceback" not in cleared.stderr, cleared.stderr


@pytest.fixture
def said() -> Any:
    """Records that reach the handlers of one of Dask's loggers."""
    records: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.getMessage())

    theirs, keeping = logging.getLogger("distributed.client"), Keeping()
    theirs.addHandler(keeping)
    yield records
    theirs.removeHandler(keeping)


def test_the_user_s_clients_log_where_they_did(existing_cluster: str, said: list[str]) -> None:
    from distributed import Client

    to_our_log()
    to_our_log()
    theirs = logging.getLogger("distributed.client")
    assert len([f for f in theirs.filters if getattr(f, "__module__", "") == to_our_log.__module__]) == 1
    for name in ("mine", "parsl-threads"):
        with Client(existing_cluster, set_as_default=False, name=name) as client:
            client._handle_error(RuntimeError(name))  # which the scheduler has it log
    assert said == ["Scheduler exception:", "mine"]


def test_what_we_keep_off_is_in_our_log(existing_cluster: str, caplog: pytest.LogCaptureFixture) -> None:
    from distributed import Client

    to_our_log()
    client = Client(existing_cluster, set_as_default=False, name="parsl-x")
    with client, caplog.at_level(logging.DEBUG, "parsl"):
        client._handle_error(RuntimeError("gone"))
    assert ("parsl.lanes.dask_noise", logging.DEBUG, "Dask: gone") in caplog.record_tuples


def test_a_record_without_an_object_of_dask_s_passes(said: list[str]) -> None:
    to_our_log()
    try:
        raise ValueError("mine")
    except ValueError:
        logging.getLogger("distributed.client").exception("of nobody")
    assert said == ["of nobody"]
