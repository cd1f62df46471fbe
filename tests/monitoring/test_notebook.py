"""How kernels, futures and Configs show themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor, ThreadPoolExecutor
from tests.helpers import WAIT

WARM = True

CONFIG = {"initialize_logging": False}


@python_app
def give(value: Any) -> Any:
    return value


@python_app
def fail(text: str) -> None:
    raise ValueError(text)


@python_app
def hold(gate: str) -> None:
    import os
    import time

    while not os.path.exists(gate):
        time.sleep(0.01)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.usefixtures("kernel")
class TestWhatRuns:
    def test_a_kernel_says_how_its_tasks_are(self, kernel: Any) -> None:
        give(1).result(WAIT)
        assert re.fullmatch(
            r"<DataFlowKernel running, \d+ tasks \(.*\d+ done.*\), executors \w+, run_dir '.*'>", repr(kernel)
        )
        text = words(kernel._repr_html_())
        assert "DataFlowKernel, running" in text and "give" in text and kernel.run_dir in text

    def test_a_future_never_waits_to_be_shown(self, kernel: Any, gate: str) -> None:
        held = hold(gate)
        behind = give(held)
        assert "not done" in repr(held) and "app hold" in words(held._repr_html_())
        assert "waits for 1 of 1 dependencies" in words(behind._repr_html_())
        Path(gate).touch()
        behind.result(WAIT)
        assert "exec_done" in words(behind._repr_html_())

    def test_outcomes_are_shown_as_text(self, kernel: Any) -> None:
        bad = "<script>alert(1)</script>"
        good, failed = give(bad), fail(bad)
        good.result(WAIT)
        failed.exception(WAIT)
        for future in (good, failed):
            assert bad not in future._repr_html_() and "&lt;script&gt;" in future._repr_html_()
        assert "ValueError" in words(failed._repr_html_())

    def test_large_results_are_not_fetched(self, kernel: Any) -> None:
        future = give(b"x" * 1_000_000)
        future.exception(WAIT)
        text = words(future._repr_html_())
        assert len(text) < 1000 and ("on the worker" in text or "b'xxx" in unescape(text))


def test_a_configs_repr_is_its_call() -> None:
    config = Config(executors=[ThreadPoolExecutor(label="pool", max_threads=4)], retries=2)
    assert repr(config).startswith("Config(") and "label='pool'" in repr(config)
    names = {"Config": Config, "ThreadPoolExecutor": ThreadPoolExecutor}
    assert repr(eval(repr(config), names)) == repr(config)


def test_a_configs_html_has_what_is_not_the_default() -> None:
    executors = [HighThroughputExecutor(label="a<b", max_workers_per_node=3), ThreadPoolExecutor(label="pool")]
    html = Config(executors=executors, retries=2)._repr_html_()
    text = words(html.partition("<details>")[0])
    assert "retries 2" in text and "pool" in text and "HighThroughputExecutor" in text and "LocalProvider" in text
    assert "a<b" not in html and "strategy" not in text


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, parsl_on_dask, parsl_on_dask.monitoring.progress\n"
    code += "print([m for m in ('rich', 'bokeh', 'distributed', 'sqlalchemy', 'jinja2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
