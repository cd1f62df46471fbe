"""The command perf."""

from __future__ import annotations

import re
import sys

import pytest

from parsl_on_dask.benchmark.perf import cli_run, sizes
from tests import interpreters

THREADS = "import parsl\nfrom parsl.config import Config\nfrom parsl.executors import ThreadPoolExecutor\n"


def run(folder, *arguments):
    command = [sys.executable, "-m", "parsl_on_dask", "-m", "parsl.benchmark.perf", *arguments]
    return interpreters.run(command, cwd=folder, capture_output=True, text=True, timeout=110)


@pytest.mark.parametrize("text", ["config = Config()", "def fresh_config():\n    return Config()"])
def test_numbers_of_apps(tmp_path, text):
    (tmp_path / "c.py").write_text(THREADS + text)
    done = run(tmp_path, "--config", "c.py", "--iterate", "3,5", "--argsize", "100")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"Will run (\d+) tasks", done.stdout) == ["3", "5"]
    assert len(re.findall(r"^Tasks per second: [\d.]+$", done.stdout, re.M)) == 2
    assert done.stdout.endswith("The end\n")


def test_worker_processes_and_resources(tmp_path):
    (tmp_path / "c.py").write_text("from parsl.configs.htex_local import config")
    done = run(tmp_path, "--config", "c.py", "--iterate", "4", "--resources", "{'priority': 1}")
    assert done.returncode == 0, done.stderr
    assert "Tasks per second" in done.stdout


def test_the_estimate_goes_on_until_the_time_is_about_right():
    rates: list[float] = []
    counts = []
    for count in sizes("estimate", 10.0, rates):
        counts.append(count)
        rates.append(100.0)
    assert counts == [10, 1000]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--config", "c.py", "--iterate", "sometimes"], "estimate, exponential"),
        (["--config", "c.py", "--iterate", "0"], "numbers such as 10,100,1000"),
        (["--config", "c.py", "--resources", "exit()"], "is not a dict of plain values"),
        ([], "--config"),
    ],
)
def test_wrong_arguments(capsys, arguments, text):
    with pytest.raises(SystemExit):
        cli_run(arguments)
    assert text in capsys.readouterr().err


def test_a_file_without_a_configuration(tmp_path):
    (tmp_path / "c.py").write_text("x = 1")
    done = run(tmp_path, "--config", "c.py")
    assert "defines neither config nor fresh_config()" in done.stderr
