"""What a configuration becomes, told without starting anything."""

from __future__ import annotations

import sys

import psutil
import pytest

import parsl_on_dask as parsl
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor, WorkQueueExecutor
from parsl_on_dask.explaining import check, explain
from parsl_on_dask.launchers import SrunLauncher, WrappedLauncher
from parsl_on_dask.providers import KubernetesProvider, LocalProvider, SlurmProvider
from tests.frontdoor.programs import FRONT, python


def command(folder, *arguments, before=()):
    return python(folder, *FRONT, *before, "check", *arguments)


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


WHOLE = """
import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor

config = Config(executors=[ThreadPoolExecutor(label="small"), HighThroughputExecutor(label="large")])
config.checkpoint_mode = "task_exit"
parsl.load(config)

from parsl.app.app import App
from parsl.dataflow.error import DependencyError
try:
    from parsl.no_such_module import anything
except ImportError:
    anything = None

@parsl.python_app(executors=["small", "larg"])
def one():
    from parsl.nothing import at_all

@App("bash", executors=["large"])
def two():
    return "true"
"""


def test_what_comes_after_load_is_read(tmp_path):
    (tmp_path / "whole.py").write_text(WHOLE)
    done = command(tmp_path, "whole.py")
    assert done.returncode == 1, done.stderr
    for words in (
        "whole.py:8: Config(checkpoint_mode=) is now memoizer=BasicMemoizer(checkpoint_mode=...).",
        "whole.py:11: parsl.dataflow.error.DependencyError has moved: write parsl.dataflow.errors.DependencyError.",
        "whole.py:21: @App('bash') is spelled @bash_app today.",
        "whole.py:17: executors=['larg'] of an app: no executor has that label. There are 'small', 'large'",
        "whole.py:19: from parsl.nothing import at_all: No module named 'parsl.nothing'",
    ):
        assert words in done.stdout, done.stdout
    assert "no_such_module" not in done.stdout, "an except clause looks after it"


def test_what_was_set_after_construction_is_checked(tmp_path):
    text = "import parsl\nconfig = parsl.Config()\n{}\nparsl.load(config)"
    for line, words in (
        ("config.retries = '3'", "s.py:4: TypeCheckError: Config(retries='3')"),
        ("config.executors[0].max_threads = 0", "executor 'threads': ThreadPoolExecutor(max_threads=0)"),
    ):
        (tmp_path / "s.py").write_text(text.format(line))
        done = command(tmp_path, "s.py")
        assert done.returncode == 1 and words in done.stdout, done.stdout


def test_old_arguments_of_monitoring_are_reported(tmp_path):
    pytest.importorskip("sqlalchemy")
    (tmp_path / "s.py").write_text(
        "import parsl\nfrom parsl.monitoring import MonitoringHub\n"
        "parsl.load(parsl.Config(monitoring=MonitoringHub(hub_address='x')))"
    )
    assert "s.py:3: MonitoringHub(hub_address=)" in command(tmp_path, "s.py").stdout


def test_the_place_that_the_command_line_names(tmp_path):
    (tmp_path / "s.py").write_text("import parsl\nparsl.load()")
    jobs = command(tmp_path, "s.py", before=["--jobqueue", "slurm", "--max-blocks", "3"]).stdout
    assert "ThreadPoolExecutor, by --jobqueue slurm --max-blocks 3" in jobs
    assert "0 to 3 by the number of calls" in jobs and "| #SBATCH --nodes=1" in jobs
    assert "RUN_DIRECTORY/submit_scripts/" in jobs and str(tmp_path) not in jobs
    there = command(tmp_path, "s.py", before=["--scheduler", "tcp://10.0.0.1:8786"]).stdout
    assert "the Dask cluster that exists: address='tcp://10.0.0.1:8786'" in there


def test_hosts_and_launchers_of_this_machine():
    plan = one(DaskExecutor(hosts=["a", "me@b"]))
    assert "SSH" in plan.becomes and plan.facts["hosts, a block each"] == "a, me@b" and plan.script is None
    provider = LocalProvider(launcher=WrappedLauncher("nice"), worker_init="module load x")
    plan = one(HighThroughputExecutor(provider=provider))
    assert "nice" in plan.facts["started through"] and "module load x" in plan.facts["before they start"]


def test_a_provider_is_left_as_it_was():
    provider = SlurmProvider("debug")
    assert "RUN_DIRECTORY/submit_scripts" in one(HighThroughputExecutor(provider=provider)).script
    assert provider.script_dir is None


def test_jobs_of_a_cluster_object():
    from dask_jobqueue import SLURMCluster

    with SLURMCluster(cores=1, memory="1GB", scheduler_options={"dashboard_address": None}) as cluster:
        plan = one(DaskExecutor(cluster=cluster, max_blocks=3))
        assert "0 to 3" in plan.facts["blocks"] and "a job is a block" in plan.facts["workers"]
