"""Names of earlier releases: they work, or say what to use instead. None is an AttributeError."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import warnings

import pytest

import parsl_on_dask as parsl
import parsl_on_dask.configs
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.old_spellings import legacy
from parsl_on_dask.old_spellings.legacy import ParslDeprecationWarning
from parsl_on_dask.providers import LocalProvider


@pytest.fixture(autouse=True)
def every_warning_is_new():
    legacy.forget_warnings()


def get(path: str):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"parsl_on_dask.{module}".rstrip(".")), name)


@pytest.mark.parametrize(
    ("path", "arguments", "instead"),
    [
        ("executors.FluxExecutor", {}, r"MPIExecutor.*DaskExecutor\(hosts='allocation'\)"),
        ("executors.flux.FluxExecutor", {"provider": None, "managed": True}, "HighThroughputExecutor"),
        ("executors.radical.RadicalPilotExecutor", {"resource": "local.localhost"}, "SlurmProvider"),
        ("executors.RadicalPilotExecutor", {"resource": "x", "queue": "debug"}, "HighThroughputExecutor"),
        ("providers.CobaltProvider", {"queue": "debug"}, "PBSProProvider"),
        ("providers.AdHocProvider", {"channels": []}, r"DaskExecutor\(hosts=\['node1', 'me@node2'\]\)"),
        ("providers.JetstreamProvider", {"config": {}}, "DaskExecutor"),
        ("curvezmq.create_certificates", {"base_dir": "x"}, "encrypted=True"),
        (
            "jobs.job_status_poller.JobStatusPoller",
            {"strategy": "simple", "max_idletime": 1, "strategy_period": 1},
            "scale_out_facade",
        ),
        ("channels.ssh.ssh.NoAuthSSHClient", {}, "ssh"),
    ],
)
def test_what_has_no_meaning_says_what_to_use(path, arguments, instead):
    with pytest.raises(ConfigurationError, match=instead):
        get(path)(**arguments)


def test_radicals_settings_are_kept_until_they_are_used():
    settings = get("executors.radical.ResourceConfig")()
    settings.worker_type = "MPIWorker"
    with pytest.raises(ConfigurationError, match="MPIExecutor"):
        settings.get_config()


@pytest.mark.parametrize(
    ("path", "arguments", "label"),
    [
        ("executors.IPyParallelExecutor", {"workers_per_node": 3}, "ipp"),
        ("IPyParallelExecutor", {"workers_per_node": 3, "engine_dir": "x"}, "ipp"),
        ("executors.LowLatencyExecutor", {"workers_per_node": 3}, "LowLatencyExecutor"),
        ("executors.ExtremeScaleExecutor", {"ranks_per_node": 3}, "ExtremeScaleExecutor"),
        ("ExtremeScaleExecutor", {"ranks_per_node": 3, "managed": True}, "ExtremeScaleExecutor"),
    ],
)
def test_executors_that_are_gone_are_todays(path, arguments, label):
    provider = LocalProvider(init_blocks=2, max_blocks=2)
    with pytest.warns(ParslDeprecationWarning, match=r"write HighThroughputExecutor\("):
        executor = get(path)(provider=provider, **arguments)
    assert isinstance(executor, HighThroughputExecutor)
    assert (executor.label, executor.max_workers_per_node, executor.provider) == (label, 3, provider)


def test_an_executor_that_is_gone_runs_apps():
    from parsl_on_dask.executors.low_latency.executor import LowLatencyExecutor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        executor = LowLatencyExecutor()
    with parsl.load(parsl.Config(executors=[executor])):
        assert parsl.python_app(divmod)(7, 2).result() == (3, 1)


def test_a_container_for_ipp_engines_is_refused():
    with pytest.raises(ConfigurationError, match=r"WrappedLauncher\('docker run img'\)"):
        get("executors.IPyParallelExecutor")(container_image="img")


def test_the_old_controller_is_accepted():
    with pytest.warns(ParslDeprecationWarning, match="scheduler"):
        get("executors.ipp_controller.Controller")(reuse=True)


@pytest.mark.parametrize("name", ["BadCheckpoint", "DataFlowException", "DependencyError", "DuplicateTaskError"])
def test_errors_of_the_old_module(name):
    with pytest.warns(ParslDeprecationWarning, match=name):
        assert issubclass(get(f"dataflow.error.{name}"), parsl.dataflow.errors.DataFlowException)


def test_old_errors_can_be_made_and_caught():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "no controller" in str(get("executors.errors.ControllerError")("no controller"))
        assert get("executors.errors.InsufficientMPIRanks")(tasks_per_node=1).tasks_per_node == 1
        assert get("providers.error.ChannelRequired")("slurm", "none").reason == "none"
    assert "node1" in str(get("channels.errors.AuthException")(OSError(), "node1"))
    assert "x.txt" in str(get("channels.errors.FileExists")(OSError(), "node1", filename="x.txt"))


def test_old_states():
    states = get("dataflow.states.States")
    with pytest.warns(ParslDeprecationWarning, match=r"now States\.pending"):
        assert states.unsched is states.pending
    with pytest.warns(ParslDeprecationWarning):
        assert states.done is states.exec_done
    with pytest.raises(AttributeError, match="there are pending"):
        _ = states.nonsense


def test_the_old_null_handler():
    parsl.NullHandler().handle(logging.makeLogRecord({"msg": "x"}))


def test_a_subclass_of_no_status_handling():
    from concurrent.futures import Future

    from parsl_on_dask.executors.status_handling import NoStatusHandlingExecutor

    class Inline(NoStatusHandlingExecutor):
        label = "inline"

        def submit(self, func, resource_specification, *args, **kwargs):
            future = Future()
            future.set_result(func(*args, **kwargs))
            self._tasks[1] = future
            return future

        def shutdown(self):
            super().shutdown()

    executor = Inline()
    assert (executor.tasks, executor.provider, executor.bad_state_is_set, executor.status()) == ({}, None, False, {})
    with parsl.load(parsl.Config(executors=[executor])):
        assert parsl.python_app(divmod)(7, 2).result() == (3, 1)


def test_what_all_executors_had():
    executor = parsl.ThreadPoolExecutor()
    with pytest.warns(ParslDeprecationWarning, match="remote_monitoring_radio"):
        assert executor.radio_mode == "htex"
    executor.radio_mode = "udp"  # as scripts did, with no effect
    assert executor.radio_mode == "udp"
    with pytest.warns(ParslDeprecationWarning):
        assert executor.hub_address is None


def test_what_memoizers_had(tmp_path):
    from parsl_on_dask.dataflow.memoization import BasicMemoizer

    with parsl.load(parsl.Config(run_dir=str(tmp_path), memoizer=BasicMemoizer(checkpoint_mode="manual"))) as dfk:
        double = parsl.python_app(lambda x: 2 * x, cache=True)
        future = double(3)
        assert future.result() == 6
        dfk.memoizer.checkpoint_queue()
        key = future.task_record["hashsum"]
        with pytest.warns(ParslDeprecationWarning):
            assert dfk.memoizer.hash_lookup(key) is future
        table = BasicMemoizer().load_checkpoints([str(tmp_path / "000" / "checkpoint")])
    assert {k: f.result() for k, f in table.items()} == {key: 6}
    assert BasicMemoizer().load_checkpoints(None) == {}


REFUSED = {"ad_hoc": "hosts=", "cooley": "polaris", "theta": "polaris"}
#: They log in somewhere; see tests/executors/test_globus_compute.py.
ELSEWHERE = ("gc_multisite", "gc_tutorial")
#: They need an executor or a provider that comes in a module of its own.
SAMPLES = [
    name
    for name in (
        *parsl_on_dask.configs.SAMPLES,
        *(m.name for m in pkgutil.iter_modules(parsl_on_dask.configs.__path__)),
    )
    if name not in (*REFUSED, *ELSEWHERE, "samples")
]


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_configurations_are_descriptions(name):
    config = get(f"configs.{name}.config")
    assert isinstance(config, parsl.Config)
    assert config.executors[0].label
    assert repr(config).startswith("Config(")


@pytest.mark.parametrize("name", REFUSED)
def test_sample_configurations_without_a_counterpart_say_so(name):
    with pytest.raises(ConfigurationError, match=REFUSED[name]):
        get(f"configs.{name}.config")


def test_packed_calls_are_run():
    from parsl_on_dask.serialize import pack_apply_message

    assert get("executors.high_throughput.process_worker_pool.execute_task")(pack_apply_message(max, (1, 2), {})) == 2


def renamed_arguments():
    from parsl_on_dask.app.errors import BadStdStreamFile, BashExitFailure
    from parsl_on_dask.dataflow.errors import DependencyError
    from parsl_on_dask.dataflow.futures import AppFuture
    from parsl_on_dask.providers.errors import SubmitException
    from parsl_on_dask.serialize.concretes import DillSerializer, PickleSerializer

    error = ValueError("x")
    return {
        "reason": (lambda **a: str(BashExitFailure(exitcode=3, **a)), "no such command", "app_name"),
        "outputs": (lambda **a: BadStdStreamFile(**a).reason, "out.txt", "reason"),
        "dependent_exceptions": (
            lambda **a: DependencyError(task_id=4, **a).__cause__,
            [error],
            "dependent_exceptions_tids",
        ),
        "task_def": (lambda **a: AppFuture(**a).task_record, "record", "task_record"),
        "task_name": (lambda **a: SubmitException(message="m", **a).job_name, "block-0", "job_name"),
        "payload": (lambda **a: PickleSerializer().deserialize(**a), b"I1\n.", "body"),
        "payload ": (lambda **a: DillSerializer().deserialize(**a), b"I1\n.", "body"),
    }


@pytest.mark.parametrize("old", renamed_arguments())
def test_arguments_by_the_names_that_they_had(old):
    make, value, new = renamed_arguments()[old]
    with pytest.warns(ParslDeprecationWarning, match=rf"{old.strip()}=\) is now {new}="):
        found = make(**{old.strip(): value})
    assert found in (value, 1) or found is value[0]
    with pytest.raises(TypeError, match=f"{new} is missing|old name"):
        make()
    with pytest.raises(TypeError, match=f"old name of {new}"):
        make(**{old.strip(): value, new: value})


def test_an_error_by_its_old_arguments_survives_pickling():
    import pickle

    from parsl_on_dask.app.errors import BashExitFailure

    with pytest.warns(ParslDeprecationWarning):
        error = BashExitFailure(reason="no such command", exitcode=127)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.exitcode, again.reason) == ("no such command", 127, "no such command")


def test_every_executor_answers_what_parsl_asked_until_2023():
    executor = parsl.ThreadPoolExecutor()
    assert executor.provider is None
    assert executor.status() == {}
    assert executor.handle_errors({}) is False
    with pytest.warns(ParslDeprecationWarning, match=r"scale_out\(\) does nothing"):
        assert executor.scale_out(workers=3) == []
    executor.set_bad_state_and_fail_all(ValueError("said in the log"))


def test_blocks_by_id_and_by_force():
    class Lane:
        def scale_in(self, blocks, among=None):
            return sorted(among or ["any"])[:blocks]

        def workers(self):
            return []

        def status(self):
            return {}

        def node_hours(self):
            return None

        def close(self, wait):
            pass

    executor = HighThroughputExecutor()
    executor._lane = Lane()
    with pytest.warns(ParslDeprecationWarning, match="block_ids"):
        assert executor.scale_in(block_ids=["1", "2"]) == ["1", "2"]
    with pytest.warns(ParslDeprecationWarning, match="max_idletime=0"):
        assert executor.scale_in(1, force=False) == []  # none is idle
    with pytest.raises(TypeError, match="blocks"):
        executor.scale_in()
    work_queue = parsl.WorkQueueExecutor()
    work_queue._lane = Lane()
    with pytest.warns(ParslDeprecationWarning, match="count"):
        assert work_queue.scale_in(count=1) == ["any"]
    work_queue.shutdown("all", block=False)


def test_executors_of_programs_may_give_what_parsl_told_them():
    class Mine(parsl_on_dask.executors.base.ParslExecutor):
        def submit(self, func, resource_specification, *args, **kwargs):
            raise NotImplementedError

        def shutdown(self):
            super().shutdown()

    with pytest.warns(ParslDeprecationWarning, match="monitoring finds its way alone"):
        Mine(hub_address="127.0.0.1", hub_zmq_port=1, monitoring_radio=None, submit_monitoring_radio=None, hub_port=2)


def test_the_base_of_memoizers_names_the_one_that_works():
    from parsl_on_dask.dataflow.memoization import Memoizer

    with pytest.raises(ConfigurationError, match=r"BasicMemoizer\(\)"):
        Memoizer(memoize=True)
