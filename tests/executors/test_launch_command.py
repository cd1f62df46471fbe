"""``launch_cmd`` of a HighThroughputExecutor: what is in front of Parsl's worker program is in front of ours."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import HighThroughputExecutor, MPIExecutor
from parsl_on_dask.executors.high_throughput.launch_command import prefix
from parsl_on_dask.launchers import SimpleLauncher, WrappedLauncher
from parsl_on_dask.providers import KubernetesProvider, LocalProvider, SlurmProvider
from tests.clusters.jobs import ShellProvider
from tests.helpers import WAIT
from tests.kernels import unload

OWNER = "HighThroughputExecutor"
#: That of a release of 2020.
OLD = "{debug} {max_workers} -p {prefetch_capacity} -c {cores_per_worker}-m {mem_per_worker} --task_url={task_url}"


@pytest.mark.parametrize("make", [HighThroughputExecutor, MPIExecutor])
def test_left_out_it_reads_as_in_parsl(make: Any) -> None:
    executor = make(provider=LocalProvider(launcher=SimpleLauncher()))
    assert executor.launch_cmd.startswith("process_worker_pool.py {debug} {max_workers_per_node} -a {addresses} ")
    assert "--block_id={{block_id}}" in executor.launch_cmd
    assert executor.interchange_launch_cmd == ["interchange.py"] and executor.launch_prefix == ""


@pytest.mark.parametrize(
    ("before", "program", "left"),
    [
        ("", "process_worker_pool.py", ""),
        ("", "/home/me/.local/bin/process_worker_pool.py", ""),
        ("", "/opt/python3.11 -u /a/b/process_worker_pool.py", ""),
        ("conda run -n env ", "python -m parsl.executors.high_throughput.process_worker_pool", "conda run -n env"),
        ("A=1 B='two words' ", "python3 process_worker_pool.py", "A=1 B='two words'"),
        ("cd /x;", "bin/process_worker_pool.py", "cd /x;"),
        ("cd a && python3 setup.py install; PYTHONPATH=b:$PYTHONPATH ", "process_worker_pool.py", None),
        ("A=${{{{HOME}}}} ", "process_worker_pool.py", "A=${HOME}"),
        ("mkdir -p a\n", "process_worker_pool.py", "mkdir -p a"),
        ("monitor -o $(hostname) & ", "process_worker_pool.py", "monitor -o $(hostname) &"),
    ],
)
@pytest.mark.parametrize("arguments", ["", f" {OLD}", " {debug} --poll 10 --hb_period={heartbeat_period}"])
def test_what_is_in_front_is_kept(before: str, program: str, left: str | None, arguments: str) -> None:
    assert prefix(OWNER, f"{before}{program}{arguments}") == (before.strip() if left is None else left)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("my_worker_pool.py {debug}", "worker program does not run here"),
        ("my_process_worker_pool.py {debug}", "worker program does not run here"),
        ("tool python-exec parsl.executors.high_throughput.process_worker_pool", "worker program does not run here"),
        ("process_worker_pool.py {debug}; date", "nothing can follow"),
        ("process_worker_pool.py {debug} > log", "nothing can follow"),
        ("process_worker_pool.py -c 4", r"-c has no effect\. Write cores_per_worker="),
        ("process_worker_pool.py --cpu-affinity=block {debug}", r"Write cpu_affinity="),
        ("process_worker_pool.py -d", r"Write worker_debug="),
        ("cd {logdir}; process_worker_pool.py", r"\{logdir\} is known only behind"),
        ("cd ${HOME}; process_worker_pool.py", "written four times"),
        ("'process_worker_pool.py", "cannot be read"),
    ],
)
def test_what_cannot_be_done_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{OWNER}\(launch_cmd=.*{says}"):
        HighThroughputExecutor(launch_cmd=text)


def test_set_later_it_is_checked_when_it_is_loaded() -> None:
    executor = HighThroughputExecutor()
    executor.launch_cmd = executor.launch_cmd.replace("process_worker_pool.py", "another-program")
    with pytest.raises(ConfigurationError, match="worker program does not run here"):
        executor.validate()


def test_machines_of_a_cloud_have_nothing_to_put_it_in_front_of() -> None:
    HighThroughputExecutor(provider=KubernetesProvider("image"), launch_cmd="process_worker_pool.py {debug}")
    with pytest.raises(ConfigurationError, match="worker_init= of KubernetesProvider"):
        HighThroughputExecutor(provider=KubernetesProvider("image"), launch_cmd="nice process_worker_pool.py")


def test_a_job_script_has_it_inside_of_the_launcher() -> None:
    provider = SlurmProvider("debug", launcher=WrappedLauncher("outer"))
    executor = HighThroughputExecutor(provider=provider, launch_cmd="A=1 inner process_worker_pool.py")
    (plan,) = parsl.explain(parsl.Config(executors=[executor])).executors
    assert plan.script is not None
    started = r"outer A=1 inner /bin/sh RUN_DIRECTORY\S*/start.sh RUN_DIRECTORY\S*/nodes/block-0.json"
    assert re.search(rf"^{started}$", plan.script, re.MULTILINE)


@pytest.mark.parametrize(
    ("before", "provider"),
    [
        pytest.param("env MADE=here ", lambda: LocalProvider(), marks=pytest.mark.extended),
        ("export MADE=here; ", lambda: LocalProvider(worker_init="export MADE=nowhere")),
        pytest.param(
            "env MADE=here ",
            lambda: LocalProvider(launcher=WrappedLauncher("env MADE=nowhere")),
            marks=pytest.mark.extended,
        ),
        ("export MADE=here && ", lambda: ShellProvider()),
    ],
    ids=["local", "shell text", "launcher", "batch"],
)
def test_workers_start_behind_it(before: str, provider: Any, tmp_path: Path) -> None:
    executor = HighThroughputExecutor(
        provider=provider(), max_workers_per_node=1, address="127.0.0.1", launch_cmd=before + "process_worker_pool.py"
    )
    try:
        parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path), strategy="none"))
        assert parsl.python_app(lambda: os.environ["MADE"])().result(WAIT) == "here"
    finally:
        unload()
