"""The arguments of providers for batch systems: what is refused, and what of Parsl's past is accepted."""

from __future__ import annotations

import inspect
import subprocess
from pathlib import Path

import pytest

from parsl_on_dask import providers
from parsl_on_dask.channels import LocalChannel
from parsl_on_dask.errors import ConfigurationError, TypeCheckError
from parsl_on_dask.launchers import SimpleLauncher
from parsl_on_dask.launchers.errors import BadLauncher
from parsl_on_dask.old_spellings import legacy
from parsl_on_dask.old_spellings.legacy import ParslDeprecationWarning
from parsl_on_dask.providers import (
    CondorProvider,
    GridEngineProvider,
    LocalProvider,
    LSFProvider,
    PBSProProvider,
    SlurmProvider,
    TorqueProvider,
)
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.providers.cluster_provider import ClusterProvider

ALL = [SlurmProvider, PBSProProvider, TorqueProvider, LSFProvider, GridEngineProvider, CondorProvider]
LABELS = ["slurm", "pbspro", "torque", "LSF", "grid_engine", "condor"]

every = pytest.mark.parametrize("provider", ALL, ids=LABELS)


@every
def test_what_parsl_users_see(provider):
    made = provider()
    assert made.label == LABELS[ALL.index(provider)]
    assert isinstance(made, ClusterProvider)
    assert isinstance(made, ExecutionProvider)
    assert (made.init_blocks, made.min_blocks, made.max_blocks, made.nodes_per_block) == (1, 0, 1, 1)
    assert (made.parallelism, made.script_dir, made.resources, made.status_polling_interval) == (1, None, {}, 60)
    assert made.mem_per_node is None
    for name in inspect.signature(provider).parameters:
        assert hasattr(made, name), name


@every
def test_repr_is_the_call(provider):
    made = provider(max_blocks=3, walltime="00:07:00")
    again = eval(repr(made), {**vars(providers), **vars(__import__("parsl_on_dask.launchers").launchers)})
    assert repr(again) == repr(made)
    assert "max_blocks=3" in repr(made)
    assert "channel" not in repr(made)


@every
@pytest.mark.parametrize(
    "argument",
    [
        {"nodes_per_block": 0},
        {"init_blocks": -1},
        {"min_blocks": 2, "max_blocks": 1},
        {"max_blocks": "1"},
        {"parallelism": -1},
        {"walltime": "10"},
        {"walltime": "00:00:00"},
        {"walltime": 600},
        {"cmd_timeout": 0},
        {"worker_init": ["module load python"]},
        {"config_name": 3},
        {"channel": "ssh"},
    ],
    ids=repr,
)
def test_wrong_arguments(provider, argument):
    with pytest.raises(ConfigurationError, match=next(iter(argument))):
        provider(**argument)


@pytest.mark.parametrize(
    ("provider", "argument"),
    [
        (SlurmProvider, {"partition": 3}),
        (SlurmProvider, {"cores_per_node": 0}),
        (SlurmProvider, {"mem_per_node": 1.5}),
        (SlurmProvider, {"exclusive": "yes"}),
        (SlurmProvider, {"status_batch_size": 0}),
        (SlurmProvider, {"regex_job_id": "(["}),
        (SlurmProvider, {"regex_job_id": r"job (\d+)"}),
        (PBSProProvider, {"cpus_per_node": 0}),
        (PBSProProvider, {"select_options": 3}),
        (TorqueProvider, {"queue": ["debug"]}),
        (LSFProvider, {"request_by_nodes": False}),
        (LSFProvider, {"request_by_nodes": False, "cores_per_block": 3}),
        (CondorProvider, {"environment": "A=1"}),
        (CondorProvider, {"transfer_input_files": "file"}),
    ],
    ids=repr,
)
def test_wrong_arguments_of_one(provider, argument):
    with pytest.raises(ConfigurationError, match=next(iter(argument))):
        provider(**argument)


@pytest.mark.parametrize(
    ("provider", "right"),
    [
        (SlurmProvider, "#SBATCH --constraint=knl"),
        (PBSProProvider, "#PBS --constraint=knl"),
        (LSFProvider, "#BSUB --constraint=knl"),
        (GridEngineProvider, "#$ --constraint=knl"),
    ],
)
def test_a_directive_without_its_mark(provider, right):
    with pytest.raises(ConfigurationError) as caught:
        provider(scheduler_options="--constraint=knl")
    assert f"Write '{right}'" in str(caught.value)
    assert right in provider(scheduler_options=right).script()


@every
def test_a_launcher_must_be_one(provider):
    with pytest.raises(BadLauncher, match=r"write launcher=SimpleLauncher\(\)"):
        provider(launcher=SimpleLauncher)
    with pytest.raises(BadLauncher):
        provider(launcher="srun")


@every
def test_channels_of_the_past(provider):
    legacy.forget_warnings()
    with pytest.warns(ParslDeprecationWarning, match="leave it out"):
        made = provider(channel=LocalChannel(), max_blocks=2)
    assert made.max_blocks == 2
    assert "channel" in repr(made)


@pytest.mark.parametrize("provider", [LSFProvider, GridEngineProvider, CondorProvider])
def test_a_channel_where_it_was_first(provider):
    assert provider(LocalChannel(), 2).nodes_per_block == 2


@pytest.mark.parametrize("provider", [PBSProProvider, TorqueProvider])
def test_a_channel_where_it_was_first_before_the_account(provider):
    made = provider(LocalChannel(), "bio", "fast")
    assert (made.account, made.queue) == ("bio", "fast")


@pytest.mark.parametrize("before", [0, 1, 2, 4, 5])
def test_a_channel_where_slurms_was(before):
    names = ["partition", "account", "qos", "constraint", "clusters"]
    made = SlurmProvider(*names[:before], LocalChannel(), 2, 8, 16, 0)
    assert [getattr(made, name) for name in names[:before]] == names[:before]
    assert (made.nodes_per_block, made.cores_per_node, made.mem_per_node, made.init_blocks) == (2, 8, 16, 0)
    assert made.gpus_per_node is None


def test_a_channel_twice():
    with pytest.raises(ConfigurationError, match="twice"):
        SlurmProvider("p", LocalChannel(), channel=LocalChannel())
    with pytest.raises(ConfigurationError, match="twice"):
        LSFProvider(LocalChannel(), channel=LocalChannel())


@pytest.mark.parametrize("provider", [SlurmProvider, LSFProvider])
def test_move_files(provider):
    legacy.forget_warnings()
    with pytest.warns(ParslDeprecationWarning, match="move_files"):
        provider(move_files=False)


def test_types_are_checked_by_the_error_that_is_a_type_error():
    with pytest.raises(TypeCheckError):
        SlurmProvider(nodes_per_block="2")


@every
def test_making_one_runs_nothing(provider, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("a command was run")

    monkeypatch.setattr(subprocess, "Popen", fail)
    provider()


def test_a_provider_of_ones_own(tmp_path):
    """Subclasses of ClusterProvider that were written for Parsl go on working."""

    class Own(ClusterProvider):
        def __init__(self):
            super().__init__("own", 1, 1, 0, 1, 1, "00:10:00", SimpleLauncher(), cmd_timeout=5)

        def submit(self, command, tasks_per_node, job_name="own"):
            path = str(tmp_path / "script")
            self._write_submit_script(
                "# $jobname on $nodes\n$user_script", path, job_name, {"nodes": 2, "user_script": command}
            )
            code, out, _ = self.execute_wait(f"sh {path}")
            self.resources["1"] = {"job_id": "1", "status": None, "code": code, "out": out}
            return "1"

        def _status(self):
            self.resources["1"]["status"] = "asked"

        def cancel(self, job_ids):
            return [True for _ in job_ids]

        @property
        def status_polling_interval(self):
            return 1

    own = Own()
    assert own.submit("echo hello", 1) == "1"
    assert own.resources["1"]["out"] == "hello\n"
    assert (tmp_path / "script").read_text() == "# own on 2\necho hello"
    assert own.status(["1"]) == ["asked"]
    assert own.label == "own"
    with pytest.raises(subprocess.TimeoutExpired):
        own.execute_wait("sleep 100", timeout=0.2)


@every
def test_the_page_of_directives_has_every_argument(provider):
    page = (Path(__file__).parents[2] / "docs" / "hpc-directives.md").read_text()
    common, own = page.split("\n## Common to all\n")[1].split("\n## ")[0], page.split(f"\n## {provider.__name__}")[1]
    own = own.split("\n## ")[0]
    for name in inspect.signature(provider).parameters:
        assert f"`{name}`" in common + own or f"`{name}=" in own, name


BATCH = [PBSProProvider, TorqueProvider, LSFProvider, GridEngineProvider]


@pytest.mark.parametrize("make", [*BATCH, LocalProvider])
def test_what_a_file_of_settings_leaves_empty_is_as_if_left_out(make):
    provider = make(worker_init=None, cmd_timeout=None)
    assert (provider.worker_init, provider.cmd_timeout) == ("", None)
    if make is not LocalProvider:
        provider = make(worker_init=None, scheduler_options=None, cmd_timeout=None)
        assert provider.script() == make().script() and provider.execute_wait("echo done") == (0, "done\n", "")


def test_without_a_limit_a_local_job_is_given_all_the_time_that_it_takes_to_end(tmp_path):
    provider = LocalProvider(cmd_timeout=None)
    provider.script_dir = str(tmp_path)
    job = provider.submit("sleep 60", 1)
    assert provider.cancel([job]) == [True]


@pytest.mark.parametrize("make", [PBSProProvider, TorqueProvider])
def test_accounts_and_queues_may_be_numbers(make):
    provider = make(account=123, queue=7)
    assert (provider.account, provider.queue) == ("123", "7")
    for name in ("account", "queue"):
        with pytest.raises(TypeCheckError, match=f"{name} must be a str or None"):
            make(**{name: True})


def test_projects_and_queues_may_be_numbers_elsewhere():
    assert (LSFProvider(project=123, queue=7).project, GridEngineProvider(queue=7).queue) == ("123", "7")


def test_cores_that_are_not_said_are_refused_where_they_are_needed():
    provider = PBSProProvider(cpus_per_node=None, nodes_per_block=2, queue="debug")
    assert provider.cpus_per_node is None
    with pytest.raises(ConfigurationError, match=r"cpus_per_node=None\).*Write for example cpus_per_node=32"):
        provider.script()
    by_site = PBSProProvider(cpus_per_node=None, nodes_per_block=2, jobqueue={"cores": 4})
    assert "#PBS -l select=2:ncpus=4" in by_site.script()
    assert "#PBS -l select=1:ncpus=32" in PBSProProvider(cpus_per_node="32").script()
