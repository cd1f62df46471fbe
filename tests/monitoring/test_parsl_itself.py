"""Parsl's own ``parsl-visualize``, from an environment with a real Parsl, shows what is recorded here."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers import Script, eventually
from tests.monitoring.needs import lacking
from tests.monitoring.runs import Record

#: An environment may have to be made first.
pytestmark = pytest.mark.timeout(900)

SCRIPT = """
import parsl
from parsl import File, bash_app, join_app, python_app
from parsl.config import Config
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl.monitoring.monitoring import MonitoringHub

@python_app(executors=["htex"])
def double(x):
    import time
    time.sleep(0.3)
    return 2 * x

@python_app(executors=["threads"])
def add(a, b):
    return a + b

@python_app(executors=["htex"])
def broken(x):
    raise ValueError("no good")

@bash_app(executors=["htex"])
def write(outputs=(), stdout=None):
    return f"echo 1 > {outputs[0].filepath}; sleep 1"

@join_app
def joined(n):
    return [double(i) for i in range(n)]

# no main guard: nothing here starts this script a second time
parsl.load(
    Config(
        executors=[
            HighThroughputExecutor(label="htex", address="127.0.0.1", max_workers_per_node=2),
            ThreadPoolExecutor(label="threads"),
        ],
        retries=1,
        monitoring=MonitoringHub(
            hub_address="localhost", hub_port=55055, workflow_name="for Parsl", resource_monitoring_interval=0.2
        ),
    )
)
double(0).result()
total = add(double(1), double(2))
failed = add(broken(1), 1)
futures = [total, failed, write(outputs=[File("out.txt")], stdout="echo.out"), joined(2)]
for future in futures:
    future.exception()
parsl.clear()
print("done", total.result())
"""


@pytest.fixture(scope="module")
def visualizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The ``parsl-visualize`` of an environment with Parsl and its monitoring extra."""
    named = os.environ.get("PARSL_PYTHON", "")
    if named == "make":
        from benchmarks.setup_parsl import setup

        named = str(setup(tmp_path_factory.mktemp("parsl"), ["parsl[monitoring,visualization]"]))
    program = str(Path(named).with_name("parsl-visualize")) if named else ""
    if not program or not os.access(program, os.X_OK):
        lacking(
            "no parsl-visualize: set PARSL_PYTHON to the Python of an environment that has Parsl's visualization extra "
            "(python -m venv DIR; DIR/bin/pip install 'parsl[monitoring,visualization]'; PARSL_PYTHON=DIR/bin/python), "
            "or to 'make' for an environment that is made now"
        )
    if shutil.which("dot") is None:
        lacking("parsl-visualize draws graphs with Graphviz: apt-get install graphviz")
    done = subprocess.run(
        [named, "-c", "import flask_sqlalchemy, networkx, pandas, plotly, sqlalchemy"], capture_output=True
    )
    if done.returncode:
        lacking(
            f"{named} has a Parsl without its visualization extra: "
            f"{named} -m pip install 'parsl[monitoring,visualization]'"
        )
    return program


@pytest.fixture
def site(visualizer: str, script: Callable[..., Script], tmp_path: Path) -> Iterator[tuple[str, Record]]:
    """The address of a ``parsl-visualize`` on a finished run, and the run's record."""
    run = script(SCRIPT, python_args=("-m", "parsl_on_dask"))
    assert run.ends(120) == 0, run.stderr
    path = run.directory / "runinfo" / "monitoring.db"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    with open(tmp_path / "visualize.log", "w") as log:
        server = subprocess.Popen(
            [visualizer, f"sqlite:///{path}", "-p", str(port)], env=environment, stdout=log, stderr=log, cwd=tmp_path
        )
    try:
        base = f"http://127.0.0.1:{port}"
        eventually(lambda: fetched(base + "/")[0] == 200, "parsl-visualize answers", 60)
        yield base, Record(path)
    finally:
        server.terminate()
        server.wait(20)


def fetched(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except OSError:
        return 0, ""


@pytest.mark.extended
def test_every_page_of_parsl_visualize(site: tuple[str, Record]) -> None:
    base, record = site
    run = record.one("workflow")["run_id"]
    status, text = fetched(base + "/")
    assert status == 200 and "for Parsl" in text and "Completed" in text
    pages = {
        f"/workflow/{run}/": ("double", "Plotly"),
        f"/workflow/{run}/app/double": ("double",),
        f"/workflow/{run}/task/": ("All Apps", "broken"),
        f"/workflow/{run}/dag_group_by_apps": ("Plotly",),
        f"/workflow/{run}/dag_group_by_states": ("Plotly",),
        f"/workflow/{run}/resource_usage": ("Plotly",),
    }
    for task in record.rows("task"):
        pages[f"/workflow/{run}/task/{task['task_id']}"] = (task["task_func_name"], "pending")
    for page, words in pages.items():
        status, text = fetched(base + page)
        plain = re.sub(r"<[^>]+>", " ", text)
        assert status == 200, (page, plain)
        assert "does not have any" not in text and "could not be found" not in text, (page, plain)
        for word in words:
            assert word.lower() in text.lower(), (page, word)
