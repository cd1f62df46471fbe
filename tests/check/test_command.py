"""What a configuration becomes, told without starting anything."""

from __future__ import annotations

import json
import multiprocessing
import sys

import psutil
import pytest

import parsl_on_dask as parsl
from parsl_on_dask.check.command import check
from parsl_on_dask.check.plan import explain
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor, WorkQueueExecutor
from parsl_on_dask.launchers import SrunLauncher, WrappedLauncher
from parsl_on_dask.providers import KubernetesProvider, LocalProvider, SlurmProvider
from tests.front_door.programs import FRONT, forked, python
from tests.kernels import own_children


def command(folder, *arguments, before=()):
    return forked(folder, *FRONT, *before, "check", *arguments)


def one(executor):
    [plan] = explain(parsl.Config(executors=[executor])).executors
    return plan


def test_threads():
    plan = one(ThreadPoolExecutor(max_threads=7))
    assert (plan.label, plan.executor, plan.facts["threads"]) == ("threads", "ThreadPoolExecutor", "7")
    assert plan.becomes == "threads of the script's own process"


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
    for text in ("#SBATCH", "module load x", "srun", "/start.sh", "debug"):
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
    before = own_children()
    explain(parsl.Config(executors=[HighThroughputExecutor()]))
    assert own_children() == before
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
            "s.py:3: ConfigurationError: FluxExecutor: Dask gives out the tasks",
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


def test_without_a_file(tmp_path):
    done = command(tmp_path)
    assert done.returncode == 2
    assert "the following arguments are required: file\n" in done.stderr, "the script's arguments are not"


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


def test_what_the_workers_of_a_section_of_dask_jobqueue_become():
    plan = one(DaskExecutor(jobqueue="slurm", cores=24, processes=1, memory="120GB"))
    told = "24 processes (cores: 24, processes: 1 in jobqueue.slurm), with one thread each"
    assert plan.facts["workers of a node"] == told
    plan = one(DaskExecutor(jobqueue="slurm", cores=24, memory="120GB", max_workers_per_node=6))
    assert plan.facts["workers of a node"].startswith("6 processes (cores: 24 in")


def test_a_provider_is_left_as_it_was():
    provider = SlurmProvider("debug")
    assert "RUN_DIRECTORY/submit_scripts" in one(HighThroughputExecutor(provider=provider)).script
    assert provider.script_dir is None


def test_jobs_of_a_cluster_object():
    from dask_jobqueue import SLURMCluster

    with SLURMCluster(cores=1, memory="1GB", scheduler_options={"dashboard_address": None}) as cluster:
        plan = one(DaskExecutor(cluster=cluster, max_blocks=3))
        assert "0 to 3" in plan.facts["blocks"] and "a job is a block" in plan.facts["workers"]


HEAD = """
import os, sys
import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor

def work(_=None):
    parsl.load(Config(executors=[ThreadPoolExecutor(label="elsewhere")]))
    open("went on", "w")
    return 1
"""
ELSEWHERE = {
    "thread": """
import queue, threading
threading.Thread(target=work, daemon=True).start()
queue.Queue().get()
""",
    "thread that is not waited for": "import threading; threading.Thread(target=work).start()",
    "thread pool": "from concurrent.futures import ThreadPoolExecutor as Pool\nprint(Pool().submit(work).result())",
    "asyncio": """
import asyncio
async def main():
    try:
        await asyncio.to_thread(work)
    except BaseException:
        open("went on", "w")
asyncio.run(main())
""",
    "caught": """
try:
    work()
except BaseException:
    open("went on", "w")
""",
    "program": """
import subprocess
subprocess.run([sys.executable, '-m', 'parsl_on_dask', 'child.py'])
open('went on', 'w')
""",
}
if "fork" in multiprocessing.get_all_start_methods():
    ELSEWHERE["fork"] = """
import multiprocessing
context = multiprocessing.get_context("fork")
done = context.Queue()
context.Process(target=work, daemon=True).start()
done.get()
"""
    ELSEWHERE["process pool"] = """
import multiprocessing
print(multiprocessing.get_context("fork").Pool(2).map(work, range(4)))
"""
for method in ("spawn", "forkserver"):
    if method in multiprocessing.get_all_start_methods():
        ELSEWHERE[method] = f"""
if __name__ == "__main__":
    import multiprocessing
    context = multiprocessing.get_context({method!r})
    context.Process(target=work, daemon=True).start()
    context.Queue().get()
"""


FRESH = ("process pool", "spawn", "forkserver")


@pytest.mark.parametrize("where", ELSEWHERE)
def test_it_ends_wherever_a_config_is_loaded(tmp_path, where):
    (tmp_path / "s.py").write_text(HEAD + ELSEWHERE[where])
    (tmp_path / "child.py").write_text(HEAD + "work()")
    before = {p.pid for p in psutil.process_iter()}
    run = python if where in FRESH else forked  # processes of their own start from what an interpreter is at first
    done = run(tmp_path, *FRONT, "check", "s.py")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert done.stdout.startswith("elsewhere (ThreadPoolExecutor)")
    assert not (tmp_path / "went on").exists() and not (tmp_path / "runinfo").exists()
    left = [p for p in psutil.process_iter(["cmdline"]) if p.pid not in before]
    assert not [p for p in left if str(tmp_path) in " ".join(p.info["cmdline"] or ())]


def test_a_time_limit(tmp_path):
    (tmp_path / "s.py").write_text("import threading\nthreading.Event().wait()")
    done = command(tmp_path, "--time-limit", "2", "s.py")
    assert done.returncode == 1
    assert "s.py had loaded no Config after 2 seconds, and was ended." in done.stdout
    assert "--time-limit 0: write" in command(tmp_path, "--time-limit", "0", "s.py").stderr


OWN = """
import parsl
from parsl.config import Config
from parsl.executors import FluxExecutor, ThreadPoolExecutor
{}
import another_missing_module
config = Config(executors=[ThreadPoolExecutor(label="still")])
open("went on", "w")
refused = FluxExecutor()
def made(n=2):
    return Config(executors=[ThreadPoolExecutor(label="made", max_threads=n)])
def needs(n):
    return Config()
parsl.load(config)
"""


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("import missing_module", "there is no module 'missing_module' here: install it"),
        ("import os; os.environ['NOT_THERE']", "the environment variable NOT_THERE is not set: write NOT_THERE=..."),
        ("import argparse; p = argparse.ArgumentParser(); p.add_argument('x'); p.parse_args()", "sys.exit(2)"),
        ("open('not there')", "check the file where what it needs is there"),
        ("input()", "there is nothing to read on standard input"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_file_itself_lacks_is_not_refused(tmp_path, line, why):
    (tmp_path / "s.py").write_text(OWN.format(line))
    done = command(tmp_path, "s.py")
    assert done.returncode == 1, done.stderr
    refused, unseen = done.stdout.split("Not looked at, and why:\n")
    unseen = unseen.splitlines()
    assert unseen[0].startswith("  s.py:5: could not be run this far, because ") and why in unseen[0]
    assert "s.py:6" in unseen[1] and "another_missing_module" in unseen[1] and len(unseen) == 2
    assert "s.py:9: ConfigurationError: FluxExecutor" in refused and "s.py:5" not in refused
    assert "Config: config\nstill (ThreadPoolExecutor)" in refused and "Config: made()\nmade (" in refused
    assert not (tmp_path / "went on").exists()


ELSEWHERE_CONFIG = """
from parsl.addresses import address_by_interface
from parsl.config import Config
from parsl.executors import DaskExecutor, HighThroughputExecutor
from parsl.providers import {provider}
config = Config(
    executors=[
        HighThroughputExecutor("jobs", address=address_by_interface("nope0"), provider={provider}()),
        DaskExecutor(label="settings", jobqueue="slurm", interface="nope1"),
    ]
)
"""
PROGRAMS = {
    "SlurmProvider": "sbatch",
    "PBSProProvider": "qsub",
    "LSFProvider": "bsub",
    "GridEngineProvider": "qsub",
    "CondorProvider": "condor_submit",
}


@pytest.mark.parametrize("provider", PROGRAMS)
def test_a_config_of_another_machine(tmp_path, provider, monkeypatch):
    """Commands and interfaces that are not here are told, and all else is looked at."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "s.py").write_text(ELSEWHERE_CONFIG.format(provider=provider))
    done = command(tmp_path, "s.py")
    assert done.returncode == 0, done.stdout + done.stderr
    shown, missing = done.stdout.split("Not on this machine; load the Config where it is:\n")
    assert shown.count("job script of a block:") == 2
    lines = missing.splitlines()
    assert lines[0].startswith("  s.py:8: address_by_interface('nope0'): there is no such interface")
    assert lines[1:] == [
        f"  executor 'jobs': there is no command {PROGRAMS[provider]}, which submits its jobs",
        "  executor 'settings': there is no command sbatch, which submits its jobs",
        "  executor 'settings': there is no network interface 'nope1', which the site's settings name",
    ]


def test_a_name_stands_for_an_address_that_is_not_here(tmp_path):
    """Of this machine itself, too: that of a laptop often has no address."""
    (tmp_path / "s.py").write_text(
        "import socket\nfrom parsl.config import Config\nfrom parsl.executors import HighThroughputExecutor\n"
        "from parsl.providers import SlurmProvider\nfrom parsl.addresses import *\n"
        "def none(*_):\n    raise socket.gaierror(-2, 'Name or service not known')\n"
        "socket.gethostbyname = none\n"
        "there = address_by_hostname(), address_by_interface('ib0x')\n"
        "config = Config([HighThroughputExecutor(provider=SlurmProvider(worker_init=f'echo {there}'))])\n"
    )
    done = command(tmp_path, "s.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "echo ('address-of-this-machine', 'address-of-ib0x')" in done.stdout
    assert "s.py:9: address_by_hostname(): [Errno -2] Name or service not known" in done.stdout


@pytest.mark.parametrize(("after", "code"), [("Config()", 0), ("Config(retries=len(nodes))", 1)])
def test_a_command_of_another_machine(tmp_path, after, code):
    (tmp_path / "s.py").write_text(
        "import subprocess\nfrom parsl.config import Config\n"
        f"nodes = subprocess.check_output(['no-such-command', 'nodes'])\nconfig = {after}\n"
    )
    done = command(tmp_path, "s.py")
    assert "s.py:3: there is no command no-such-command; what follows from it was not looked at" in done.stdout
    assert done.returncode == code and ("threads: 2" in done.stdout) == (code == 0)
    assert ("none without what this machine does not have" in done.stdout) == (code == 1)


def test_all_configs_of_a_file_are_shown(tmp_path):
    text = (
        "from parsl import Config\nfrom parsl.executors import ThreadPoolExecutor as T\n"
        "a = Config(executors=[T('one')])\nb = a\n"
        "def c() -> 'Config':\n    d = Config(executors=[T('two')])\n    return d\n"
    )
    (tmp_path / "s.py").write_text(text)
    found = check(tmp_path / "s.py")
    assert [(p.config, p.label) for p in found.executors] == [("a", "one"), ("c()", "two")]
    assert not found.refused and not found.unseen
    (tmp_path / "s.py").write_text(f"{text}import parsl\nparsl.load(c())")
    assert [p.label for p in check(tmp_path / "s.py").executors] == ["two", "one"]


def test_arguments_without_effect_are_listed(tmp_path):
    (tmp_path / "s.py").write_text(
        "from parsl import Config\nfrom parsl.executors import HighThroughputExecutor as H\n"
        "c = Config(executors=[H(heartbeat_period=7)])"
    )
    done = command(tmp_path, "s.py")
    assert done.returncode == 0
    assert "Arguments without effect here:\n" in done.stdout
    assert "s.py:3: HighThroughputExecutor(heartbeat_period=) has no meaning" in done.stdout


def notebook(path, *cells):
    path.write_text(json.dumps({"cells": [{"cell_type": k, "source": s} for k, s in cells], "nbformat": 4}))


def test_a_notebook_is_read_cell_by_cell(tmp_path):
    notebook(
        tmp_path / "n.ipynb",
        ("markdown", ["not Python"]),
        ("code", ["%load_ext parsl_on_dask\n", "!ls\n", "files = !ls\n", "import parsl\n", "x = 7 % 4\n", "parsl?"]),
        ("code", "%%bash\nls -l"),
        (
            "code",
            "%%time\nimport asyncio\nawait asyncio.sleep(0)\nconfig = parsl.Config(retries=x)",
        ),
        ("code", ["config.retries = '3'\n", "parsl.load(config)"]),
        ("code", ["from parsl.nothing import at_all"]),
    )
    done = command(tmp_path, "n.ipynb")
    assert done.returncode == 1, done.stderr
    assert "n.ipynb, cell 5:2: TypeCheckError: Config(retries='3')" in done.stdout
    assert "n.ipynb, cell 6:1: from parsl.nothing import at_all" in done.stdout
    notebook(tmp_path / "n.ipynb", ("code", "import parsl\nimport missing"), ("code", "config = parsl.Config()"))
    done = command(tmp_path, "n.ipynb")
    assert "n.ipynb, cell 1:2: could not be run this far" in done.stdout and "threads: 2" in done.stdout


def test_what_is_no_notebook(tmp_path):
    (tmp_path / "n.ipynb").write_text("import parsl")
    done = command(tmp_path, "n.ipynb")
    assert done.returncode == 1 and "n.ipynb is not a notebook of format 4" in done.stdout


def test_a_file_that_ends_its_process(tmp_path):
    (tmp_path / "s.py").write_text("import os\nos._exit(3)")
    assert "s.py ended with exit code 3 before it loaded a Config" in command(tmp_path, "s.py").stdout


def test_a_cluster_object_that_cannot_show_itself(monkeypatch):
    """Dask's own raises while what it shows changes."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster:
        monkeypatch.setattr(LocalCluster, "__repr__", lambda self: {}["workers"])
        assert one(DaskExecutor(cluster=cluster)).becomes.endswith("cluster=<LocalCluster>")
