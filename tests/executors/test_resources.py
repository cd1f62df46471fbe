"""Executors whose calls say which resources they need."""

from __future__ import annotations

import os
import signal
import time

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import TaskVineExecutor, WorkQueueExecutor
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.executors.taskvine import TaskVineFactoryConfig, TaskVineManagerConfig
from parsl_on_dask.executors.workqueue.errors import WorkQueueFailure
from parsl_on_dask.old_spellings import legacy
from parsl_on_dask.providers import LocalProvider
from tests.helpers import eventually, hold

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.fixture(autouse=True)
def every_warning_is_new():
    legacy.forget_warnings()


def between(number, parsl_resource_specification=None):

    began = time.time()
    time.sleep(0.3)
    return number, began, time.time()


def at_once(spans) -> int:
    """The most calls that ran at a time."""
    changes = sorted([(began, 1) for _, began, _ in spans] + [(ended, -1) for _, _, ended in spans])
    running = most = 0
    for _, change in changes:
        running += change
        most = max(most, running)
    return most


def small(cores=1):
    return {"cores": cores, "memory": 1, "disk": 1}


@pytest.fixture(scope="module", params=["workqueue", "taskvine"])
def kernel(request, tmp_path_factory):
    run_dir = str(tmp_path_factory.mktemp("runs"))
    provider = LocalProvider(init_blocks=1, min_blocks=1, max_blocks=1)
    if request.param == "workqueue":
        executor = WorkQueueExecutor(provider=provider, port=0, env={"SEEN": "a 'b'"}, init_command="export MORE=c")
    else:
        manager = TaskVineManagerConfig(env_vars={"SEEN": "a 'b'"}, init_command="export MORE=c")
        factory = TaskVineFactoryConfig(cores=2, memory=4000)
        executor = TaskVineExecutor(manager_config=manager, factory_config=factory)
    with parsl.load(parsl.Config(executors=[executor], run_dir=run_dir)) as kernel:
        yield kernel


@pytest.mark.skipif(CORES < 2, reason="a node with one core has one worker")
@pytest.mark.parametrize(("spec", "most"), [(small(), 2), ({"priority": 1}, 1)], ids=repr)
def test_as_many_calls_at_a_time_as_there_is_room_for(kernel, spec, most):
    app = parsl.python_app(between)
    parsl.python_app(divmod)(1, 1).result()  # the workers are there
    futures = [app(n, parsl_resource_specification=spec) for n in range(4)]
    spans = [future.result() for future in futures]
    assert [span[0] for span in spans] == [0, 1, 2, 3]
    assert at_once(spans) == most


def test_the_highest_priority_goes_first(kernel, tmp_path):
    app = parsl.python_app(between)
    first = parsl.python_app(hold)(str(tmp_path / "started"), str(tmp_path / "gate"))  # it has the node for itself
    eventually((tmp_path / "started").exists, "the first one runs")
    rest = [app(n, parsl_resource_specification={"priority": n}) for n in (1, 3, 2)]
    (tmp_path / "gate").touch()
    first.result()
    began = {n: b for n, b, _ in [future.result() for future in rest]}
    assert began[3] < began[2] < began[1]


def test_a_call_that_no_node_has_room_for_fails(kernel):
    future = parsl.python_app(between)(1, parsl_resource_specification=small(99))
    with pytest.raises(InvalidResourceSpecification, match=r"cores=99 \(a node has \d+\)"):
        future.result()


def test_environment_and_command_reach_the_workers(kernel):
    def seen():
        import os

        return os.environ.get("SEEN"), os.environ.get("MORE")

    assert parsl.python_app(seen)().result() == ("a 'b'", "c")


@pytest.mark.parametrize(
    "spec", [{"cores": "2"}, {"gpus": -1}, {"gpus": 0.5}, {"nonsense": 1}, {"cores": True}], ids=repr
)
def test_bad_specifications(kernel, spec):
    with pytest.raises(InvalidResourceSpecification, match=next(iter(spec))):
        parsl.python_app(between)(1, parsl_resource_specification=spec).result()


def test_a_lost_worker_gives_its_share_back(kernel):
    def die(parsl_resource_specification=None):
        import os

        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(WorkerLost):
        parsl.python_app(die)().result()
    assert parsl.python_app(between)(7, parsl_resource_specification=small(2)).result()[0] == 7


def test_cancelled_calls_give_way(kernel):
    app = parsl.python_app(between)
    futures = [app(n) for n in range(3)]
    assert futures[1].cancel()
    assert futures[2].result()[0] == 2


def test_dependencies_and_bash_apps(kernel):
    @parsl.bash_app
    def command(value, stdout=None, parsl_resource_specification=None):
        return f"echo {value}"

    double = parsl.python_app(lambda x: 2 * x)
    assert command(double(double(3)), parsl_resource_specification=small()).result() == 0


def test_wq_wants_the_three_together():
    executor = WorkQueueExecutor()
    with pytest.raises(InvalidResourceSpecification, match="disk, memory is missing"):
        executor.validate_resource_spec({"cores": 1})
    executor.validate_resource_spec({"cores": 1, "memory": 1, "disk": 1, "gpus": 0, "running_time_min": 5})
    with pytest.warns(UserWarning, match="not measured"):
        WorkQueueExecutor(autolabel=True).validate_resource_spec({"cores": 1})


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: WorkQueueExecutor(pack=True), "worker_init="),
        (lambda: WorkQueueExecutor(extra_pkgs=["numpy"]), "worker_init="),
        (lambda: WorkQueueExecutor(env=["A=1"]), "env must be"),
        (lambda: WorkQueueExecutor(scaling_cores_per_worker=0), "scaling_cores_per_worker"),
        (lambda: TaskVineExecutor(worker_launch_method="manual"), r"DaskExecutor\('tcp://"),
        (lambda: TaskVineExecutor(worker_launch_method="magic"), "'factory', 'provider'"),
        (lambda: TaskVineExecutor(function_exec_mode="magic"), "serverless"),
        (lambda: TaskVineExecutor(provider=LocalProvider()), "worker_launch_method='provider'"),
        (lambda: TaskVineExecutor(manager_config={}), "TaskVineManagerConfig"),
        (lambda: TaskVineExecutor(manager_config=TaskVineManagerConfig(app_pack=True)), "worker_init="),
        (lambda: TaskVineExecutor(factory_config=TaskVineFactoryConfig(batch_type="slurm")), "SlurmProvider"),
        (lambda: TaskVineExecutor(factory_config=TaskVineFactoryConfig(max_workers="2")), "max_workers"),
    ],
)
def test_what_cannot_be_honoured_says_what_to_write(make, text):
    with pytest.raises(ConfigurationError, match=text):
        make()


def test_a_password_file_that_is_not_there(tmp_path):
    with pytest.raises(WorkQueueFailure, match="no such file"):
        WorkQueueExecutor(project_password_file=str(tmp_path / "none"))


def test_settings_of_work_queue_itself_are_kept():
    executor = WorkQueueExecutor(project_name="p", shared_fs=True, use_cache=True, worker_options="--x", managed=True)
    assert (executor.project_name, executor.shared_fs, executor.use_cache) == ("p", True, True)
    assert "project_name='p'" in repr(executor)
