"""Several executors in one Config, chosen by label."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, python_app
from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.dflow import DataFlowKernel
from parsl_on_dask.dataflow.errors import DependencyError
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import ThreadPoolExecutor
from tests.helpers import WAIT
from tests.kernels import CONFIG_NAMES, executor_for, unload


@pytest.fixture(scope="module", autouse=True)
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    executors = [executor_for(name, request) for name in CONFIG_NAMES]
    yield parsl.load(Config(executors=executors, run_dir=str(tmp_path_factory.mktemp("runinfo")), strategy="none"))
    unload()


def on(label: str, function: Any) -> Any:
    return python_app(function, executors=[label])


def test_the_kernel_knows_them_by_label(kernel: Any) -> None:
    assert {label for label in kernel.executors if not label.startswith("_")} == set(CONFIG_NAMES)
    assert [e.label for e in kernel.config.executors] == list(CONFIG_NAMES)
    assert all(kernel.executors[e.label] is e for e in kernel.config.executors)


def test_each_label_runs_where_it_says() -> None:
    pids = {label: on(label, os.getpid)().result(WAIT) for label in CONFIG_NAMES}
    assert pids["threads"] == os.getpid()
    assert len(set(pids.values())) == 3
    with_parsl = {label: on(label, lambda: __import__("importlib.util").util.find_spec("json"))() for label in pids}
    assert all(f.result(WAIT) for f in with_parsl.values())


def test_all_means_any_of_them() -> None:
    futures = [python_app(os.getpid)() for _ in range(60)]
    for future in futures:
        future.result(WAIT)
    assert {f.task_record["executor"] for f in futures} == set(CONFIG_NAMES)


def test_a_choice_of_two() -> None:
    futures = [python_app(os.getpid, executors=["threads", "existing"])() for _ in range(40)]
    for future in futures:
        future.result(WAIT)
    assert {f.task_record["executor"] for f in futures} == {"threads", "existing"}


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_values_go_from_cluster_to_cluster(size: int) -> None:
    x: Any = on("processes", lambda n: b"0" * n)(size)
    for label in ("existing", "threads", "processes", "threads", "existing", "processes"):
        x = on(label, lambda v: v[1:] + b"1")(x)
    assert x.result(WAIT) == b"0" * (size - 6) + b"1" * 6


def test_one_call_with_values_of_all_clusters() -> None:
    parts = {label: on(label, lambda n: [n] * n)(i + 1) for i, label in enumerate(CONFIG_NAMES)}
    for label in CONFIG_NAMES:
        assert on(label, lambda a, b, c: a + b + c)(*parts.values()).result(WAIT) == [1, 2, 2, 3, 3, 3]
        assert on(label, lambda d: sum(len(v.result()) for v in d.values()))(parts).result(WAIT) == 6


def test_a_failure_goes_from_cluster_to_cluster() -> None:
    error = on("threads", len)(on("existing", int)("not a number")).exception(WAIT)
    assert isinstance(error, DependencyError) and isinstance(error.__cause__, ValueError)


def test_files_between_executors(tmp_path: Path) -> None:
    from parsl_on_dask.data_provider.files import File

    @bash_app(executors=["processes"])
    def write(outputs: Any = ()) -> str:
        return f"echo text > {outputs[0]}"

    made = write(outputs=[File(str(tmp_path / "out"))])
    assert on("existing", lambda f: open(f).read())(made.outputs[0]).result(WAIT) == "text\n"


def test_equal_labels_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="unique labels"):
        Config(executors=[ThreadPoolExecutor(label="one"), ThreadPoolExecutor(label="one")])


def test_executors_may_be_added(kernel: Any) -> None:
    kernel.add_executors([ThreadPoolExecutor(label="added", max_threads=1)])
    assert on("added", os.getpid)().result(WAIT) == os.getpid()
    assert "added" in kernel.executors


@pytest.mark.parametrize("name", CONFIG_NAMES)
def test_a_kernel_without_executors_gets_them_later(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with DataFlowKernel(Config(executors=[], run_dir=str(tmp_path), strategy="none")) as kernel:
        app = python_app(lambda x: x + 1, data_flow_kernel=kernel)
        with pytest.raises(ConfigurationError, match=r"no executor to run on.*add_executors"):
            app(1)
        with pytest.raises(ValueError, match=rf"invalid executor {name}: the loaded Config has none"):
            python_app(lambda: 1, data_flow_kernel=kernel, executors=[name])().result(WAIT)
        kernel.add_executors([executor_for(name, request)])
        assert kernel.labels() == [name]
        chosen = python_app(lambda x: x + 1, data_flow_kernel=kernel, executors=[name])
        assert (app(1).result(WAIT), chosen(app(2)).result(WAIT)) == (2, 4)
