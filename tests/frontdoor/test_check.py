"""What a configuration becomes, told without starting anything."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

import parsl_on_dask as parsl
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor, WorkQueueExecutor
from parsl_on_dask.explaining import check, explain
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import KubernetesProvider, LocalProvider, SlurmProvider


def command(folder, *arguments):
    line = [sys.executable, "-m", "parsl_on_dask", "check", *arguments]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=110)


def one(executor):
    [plan] = explain(parsl.Config(executors=[executor])).executors
    return plan


def test_threads():
    plan = one(ThreadPoolExecutor(max_threads=7))
    assert (plan.label, plan.executor, plan.facts["threads"]) == ("threads", "ThreadPoolExecutor", "7")


def test_workers_on_this_machine():
    provider = LocalProvider(init_blocks=2, min_blocks=1, max_blocks=5)
    plan = one(HighThroughputExecutor(max_workers_per_node=1, provider=provider, encrypted=False))
    assert plan.facts["workers of a block"].startswith("1,")
    assert plan.facts["blocks"].startswith("2 at the start, 1 to 5")
    assert plan.facts["connections"] == "not encrypted"
    assert plan.script is None


def test_jobs_show_their_script():
    provider = SlurmProvider(
        "debug", nodes_per_block=3, launcher=SrunLauncher(), worker_init="module load x", walltime="00:20:00"
    )
    plan = one(HighThroughputExecutor("big", max_workers_per_node=4, provider=provider))
    assert "jobs of SlurmProvider" in plan.becomes
    assert plan.facts["nodes of a block"] == "3"
    assert plan.facts["workers of a node"].startswith("its cores / 1, at the most 4")
    for text in ("#SBATCH", "module load x", "srun", "start_workers.py", "debug"):
        assert text in plan.script
    assert "  | #SBATCH" in repr(explain(parsl.Config(executors=[HighThroughputExecutor(provider=provider)])))


def test_existing_clusters_and_resources():
    assert "tcp://a:1" in one(DaskExecutor("tcp://a:1")).becomes
    assert "resources of a node" in one(WorkQueueExecutor()).facts["calls at a time"]


def test_a_missing_package_is_among_the_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_kubernetes.operator", None)
    found = explain(parsl.Config(executors=[HighThroughputExecutor("pods", provider=KubernetesProvider("image"))]))
    assert "parsl-on-dask[kubernetes]" in found.refused[0]


def test_a_users_own_executor():
    from concurrent.futures import Future

    from parsl_on_dask.executors.base import ParslExecutor

    class Own(ParslExecutor):
        label = "own"

        def submit(self, func, resource_specification, *args, **kwargs):
            return Future()

        def shutdown(self):
            super().shutdown()

    assert "runs its calls itself" in one(Own()).becomes


def test_nothing_is_started():
    before = len(psutil.Process().children(recursive=True))
    explain(parsl.Config(executors=[HighThroughputExecutor()]))
    assert len(psutil.Process().children(recursive=True)) == before
    with pytest.raises(parsl.errors.NoDataFlowKernelError):
        parsl.dfk()


SCRIPT = """
import sys
import parsl
from parsl.channels import LocalChannel
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

@parsl.python_app
def app():
    open("ran", "w")

config = Config(
    executors=[HighThroughputExecutor(label=sys.argv[1], max_workers=2, provider=LocalProvider(LocalChannel()))]
)
if __name__ == "__main__":
    try:
        parsl.load(config)
    except Exception:
        raise SystemExit("swallowed")
    app().result()
    open("ran", "w")
"""


def test_a_script_with_old_spellings(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = command(tmp_path, "script.py", "mine")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mine (HighThroughputExecutor): a Dask scheduler and worker processes")
    assert "script.py:14: HighThroughputExecutor(max_workers=) is now max_workers_per_node=." in done.stdout
    assert "channel" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["script.py"]


@pytest.mark.parametrize("text", ["config = Config()", "def fresh_config():\n    return Config()"])
def test_a_file_with_a_config(tmp_path, text):
    (tmp_path / "c.py").write_text("from parsl.config import Config\n" + text)
    done = command(tmp_path, "c.py")
    assert done.returncode == 0, done.stderr
    assert "threads: 2" in done.stdout


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "from parsl.executors import FluxExecutor\n\nFluxExecutor()",
            "s.py:3: ConfigurationError: FluxExecutor: tasks",
        ),
        ("from parsl.config import Config\nConfig(retries='3')", "s.py:2: TypeCheckError: Config(retries='3')"),
        ("import parsl\nparsl.load(parsl.Config(executors=[]))", "s.py:2: ConfigurationError"),
        ("x = 1", "loads no Config, and defines none"),
        ("import sys\nsys.exit(3)", "sys.exit(3)"),
    ],
)
def test_what_is_refused_is_a_failure(tmp_path, text, found):
    (tmp_path / "s.py").write_text(text)
    done = command(tmp_path, "s.py")
    assert done.returncode == 1, done.stderr
    assert found in done.stdout


def test_a_file_that_is_not_there(tmp_path):
    done = command(tmp_path, "none.py")
    assert done.returncode == 2
    assert "there is no file none.py" in done.stderr


def test_the_kernel_works_afterwards(tmp_path):
    (tmp_path / "s.py").write_text("import parsl_on_dask as parsl\nparsl.load()")
    assert check(tmp_path / "s.py").executors[0].label == "threads"
    with parsl.load(parsl.Config(run_dir=str(tmp_path / "runs"))):
        assert parsl.python_app(divmod)(7, 2).result() == (3, 1)
