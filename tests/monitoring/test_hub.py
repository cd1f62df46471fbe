"""MonitoringHub: its arguments, and what it is without a run."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.errors import ConfigurationError, OptionalModuleMissing
from parsl_on_dask.executors import ThreadPoolExecutor
from parsl_on_dask.monitoring import MonitoringHub
from parsl_on_dask.monitoring.errors import MonitoringHubStartError
from parsl_on_dask.monitoring.message_type import MessageType
from parsl_on_dask.old_spellings.legacy import forget_warnings
from tests import kernels
from tests.helpers import Script
from tests.monitoring.runs import Record


@pytest.fixture(scope="module")
def config_name() -> str:
    return "threads"


@python_app
def double(x):
    return 2 * x


def test_defaults() -> None:
    hub = MonitoringHub()
    assert hub.resource_monitoring_enabled is True
    assert hub.resource_monitoring_interval == 30
    assert hub.logging_endpoint is None and hub.workflow_name is None and hub.monitoring_debug is False


@pytest.mark.parametrize("name", ["hub_address", "hub_port", "hub_port_range", "client_address", "client_port_range"])
def test_arguments_without_a_meaning_are_reported_once(name: str) -> None:
    forget_warnings()
    with pytest.warns(DeprecationWarning, match=name):
        MonitoringHub(**{name: "x"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert getattr(MonitoringHub(**{name: "x"}), name) == "x"


@pytest.mark.parametrize(
    ("argument", "word"),
    [
        ({"resource_monitoring_interval": -1}, "resource_monitoring_interval"),
        ({"resource_monitoring_interval": "30"}, "resource_monitoring_interval"),
        ({"resource_monitoring_enabled": "yes"}, "resource_monitoring_enabled"),
        ({"workflow_name": 5}, "workflow_name"),
        ({"sinks": print}, "sinks"),
        ({"sinks": ["print"]}, "sinks"),
        ({"logging_endpoint": "monitoring.db"}, "no URL of a database"),
        ({"logging_endpoint": "nosuch://somewhere"}, "no URL of a database"),
    ],
)
def test_wrong_arguments(argument: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        MonitoringHub(**argument)


def test_a_password_is_not_shown() -> None:
    hub = MonitoringHub(logging_endpoint="sqlite://me:secret@/x.db")
    assert "secret" not in repr(hub) and "me:***@" in repr(hub)


def test_a_missing_driver_has_a_name(tmp_path: Path) -> None:
    from importlib.util import find_spec

    if find_spec("pg8000") is not None:
        pytest.skip("pg8000 is installed: pip uninstall pg8000")
    with pytest.raises(OptionalModuleMissing, match="pip install pg8000"):
        hub = MonitoringHub(logging_endpoint="postgresql+pg8000://me@localhost/x")
        hub.start(str(tmp_path), str(tmp_path), None)


def test_without_sqlalchemy_the_extra_is_named(tmp_path: Path) -> None:
    text = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "import parsl_on_dask.monitoring as m\n"
        "try: m.MonitoringHub()\n"
        "except Exception as e: print(type(e).__name__, e)"
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("OptionalModuleMissing"), done.stderr
    assert "parsl-on-dask[monitoring]" in done.stdout


def test_importing_it_imports_no_sqlalchemy(tmp_path: Path) -> None:
    text = "import sys, parsl_on_dask.monitoring as m; m.MonitoringHub(); print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_name_and_version(load: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "my.db"
    hub = MonitoringHub(workflow_name="campaign", workflow_version="1.2", logging_endpoint=f"sqlite:///{path}")
    kernel = load(monitoring=hub)
    assert (kernel.workflow_name, kernel.workflow_version) == ("campaign", "1.2")
    kernels.unload()
    row = Record(path).one("workflow")
    assert (row["workflow_name"], row["workflow_version"]) == ("campaign", "1.2")
    load(executors=[ThreadPoolExecutor()], monitoring=hub)  # and again
    kernels.unload()
    assert len(Record(path).rows("workflow")) == 2


def test_by_default_each_run_dir_has_its_database(load: Callable[..., Any], tmp_path: Path) -> None:
    hub = MonitoringHub()
    for name in ("a", "b"):
        kernel = load(executors=[ThreadPoolExecutor()], monitoring=hub, run_dir=str(tmp_path / name))
        assert hub.logging_endpoint == f"sqlite:///{tmp_path / name}/monitoring.db"
        kernels.unload()
        row = Record(tmp_path / name / "monitoring.db").one("workflow")
        assert (row["run_id"], row["workflow_name"]) == (kernel.run_id, kernel.workflow_name)
        assert row["workflow_version"] == kernel.workflow_version


def test_without_resource_monitoring_workers_report_nothing(load: Callable[..., Any], tmp_path: Path) -> None:
    hub = MonitoringHub(resource_monitoring_enabled=False)
    load(monitoring=hub, run_dir=str(tmp_path))
    tid = [double(i) for i in range(3)][-1].tid
    kernels.unload()
    record = Record(tmp_path / "monitoring.db")
    assert record.states(tid) == [(0, "pending"), (0, "launched"), (0, "exec_done")]
    assert record.on_worker(tid) == []
    assert record.one("try", task_id=tid)["task_try_time_running"] is None


def test_one_hub_for_two_kernels_at_a_time_is_refused(load: Callable[..., Any], tmp_path: Path) -> None:
    from parsl_on_dask import DataFlowKernel

    hub = MonitoringHub()
    kernel = load(monitoring=hub, run_dir=str(tmp_path))
    config = kernel.config.__class__(executors=[ThreadPoolExecutor(label="other")], monitoring=hub)
    with pytest.raises(MonitoringHubStartError, match="of its own"):
        DataFlowKernel(config)
    assert double(4).result() == 8
    kernels.unload()
    assert len(Record(tmp_path / "monitoring.db").rows("task")) == 1


def test_messages_in_parsls_form(load: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from datetime import datetime

    hub = MonitoringHub()
    with pytest.raises(MonitoringHubStartError, match="not started"):
        hub.send((MessageType.BLOCK_INFO, []))
    kernel = load(monitoring=hub, run_dir=str(tmp_path))
    block = {"executor_label": "mine", "block_id": "7", "job_id": "j", "timestamp": datetime.now(), "status": "RUNNING"}
    hub.send((MessageType.BLOCK_INFO, [block]))
    kernel.monitoring_radio.send((MessageType.BLOCK_INFO, [{**block, "block_id": "8", "run_id": "other"}]))
    hub.send("nonsense")
    hub.send((MessageType.BLOCK_INFO, [{"block_id": "9"}]))  # a row that the table does not take
    double(1).result()
    kernels.unload()
    record = Record(tmp_path / "monitoring.db")
    rows = [(row["block_id"], row["run_id"]) for row in record.rows("block", executor_label="mine")]
    assert rows == [("7", kernel.run_id), ("8", "other")]
    assert "this is no monitoring message" in caplog.text
    assert "cannot be written and is left out" in caplog.text
    assert len(record.rows("task")) == 1


def test_pickled_without_its_run(load: Callable[..., Any], tmp_path: Path) -> None:
    hub = MonitoringHub(workflow_name="w")
    load(monitoring=hub, run_dir=str(tmp_path))
    assert pickle.loads(pickle.dumps(hub)).workflow_name == "w"


def test_debug_logs_what_is_written(load: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    load(monitoring=MonitoringHub(monitoring_debug=True), run_dir=str(tmp_path))
    double(1).result()
    kernels.unload()
    assert "rows of status" in caplog.text


GUARDLESS = """
import parsl
from parsl import python_app
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.monitoring.monitoring import MonitoringHub
from parsl.addresses import address_by_hostname
import multiprocessing

print("once")
parsl.load(Config(executors=[HighThroughputExecutor(max_workers_per_node=1, address="127.0.0.1")],
    monitoring=MonitoringHub(hub_address="localhost", hub_port=55055, monitoring_debug=False)))

@python_app
def double(x):
    return 2 * x

print(double(3).result())
assert not multiprocessing.active_children()
"""


def test_no_main_guard_and_no_process_of_its_own(script: Callable[..., Script]) -> None:
    run = script(GUARDLESS, python_args=("-m", "parsl_on_dask"))
    assert run.ends(90) == 0, run.stderr
    assert run.stdout.splitlines() == ["once", "6"]
    run.leaves_nothing()
    record = Record(run.directory / "runinfo" / "monitoring.db")
    assert record.one("workflow")["workflow_name"] == "script.py"
    assert record.one("workflow")["time_completed"] is not None  # by the clean-up at the interpreter's exit
    assert record.one("task")["task_func_name"] == "double"
