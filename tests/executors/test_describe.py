"""What executors take, keep and refuse, without starting anything."""

from __future__ import annotations

import logging
import pickle
import warnings
from concurrent.futures import Future

import pytest

from parsl_on_dask.config import Config
from parsl_on_dask.errors import ConfigurationError, ExecutorError
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor
from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.executors.errors import ExecutorError as SameExecutorError
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.high_throughput.interchange import ManagerLost
from parsl_on_dask.old_spellings import legacy
from parsl_on_dask.old_spellings.legacy import ParslDeprecationWarning
from parsl_on_dask.providers import LocalProvider
from parsl_on_dask.providers.base import ExecutionProvider

EXECUTORS = [ThreadPoolExecutor, HighThroughputExecutor, lambda **kw: DaskExecutor("tcp://localhost:8786", **kw)]


@pytest.fixture(autouse=True)
def every_warning_is_new():
    legacy.forget_warnings()


@pytest.mark.parametrize("make", EXECUTORS)
@pytest.mark.parametrize(
    "argument",
    [
        {"label": 3},
        {"label": ""},
        {"label": "a/b"},
        {"working_dir": 3},
        {"storage_access": "all"},
        {"batching": 1},
        {"max_batch": 0},
        {"in_flight": 0},
        {"inline_limit": -1},
    ],
    ids=repr,
)
def test_wrong_arguments_of_all(make, argument):
    with pytest.raises(ConfigurationError, match=next(iter(argument))):
        make(**argument)


@pytest.mark.parametrize("make", EXECUTORS)
def test_not_started(make):
    executor = make()
    assert (executor.lane, executor.outstanding(), executor.status(), executor.tasks) == (None, 0, {}, {})
    assert (executor.connected_managers(), executor.connected_blocks(), executor.scale_in(1)) == ([], [], [])
    executor.shutdown()
    with pytest.raises(ExecutorError, match="not started"):
        executor.submit(max, {}, 1, 2)


@pytest.mark.parametrize("make", EXECUTORS)
def test_pickle_leaves_the_run_behind(make):
    executor = make(label="mine")
    executor._lane = object()
    again = pickle.loads(pickle.dumps(executor))
    assert (again.label, again.lane, again.tasks) == ("mine", None, {})
    assert repr(again) == repr(executor)


def test_executor_error_is_one_class():
    assert SameExecutorError is ExecutorError


@pytest.mark.parametrize("argument", [{"max_threads": 0}, {"max_threads": "2"}, {"thread_name_prefix": 3}], ids=repr)
def test_wrong_arguments_of_threads(argument):
    with pytest.raises(ConfigurationError, match=next(iter(argument))):
        ThreadPoolExecutor(**argument)


@pytest.mark.parametrize(
    "argument",
    [
        {"provider": "local"},
        {"provider": LocalProvider},
        {"max_workers_per_node": 0},
        {"max_workers_per_node": -2},
        {"max_workers_per_node": "4"},
        {"cores_per_worker": 0},
        {"mem_per_worker": -1},
        {"cpu_affinity": "blocks"},
        {"cpu_affinity": "list:a-b"},
        {"cpu_affinity": None},
        {"available_accelerators": -1},
        {"available_accelerators": "0,1"},
        {"available_accelerators": [0, 1]},
        {"block_error_handler": "simple"},
        {"encrypted": "yes"},
        {"drain_period": 0},
        {"launch_cmd": "my_worker_pool.py"},
        {"launch_cmd": 3},
        {"worker_port_range": (5, 4)},
        {"interchange_port_range": 55000},
        {"heartbeat_period": "30"},
        {"manager_selector": "random"},
        {"address": 3},
    ],
    ids=repr,
)
def test_wrong_arguments_of_htex(argument):
    with pytest.raises(ConfigurationError, match=next(iter(argument))):
        HighThroughputExecutor(**argument)


def test_a_provider_of_ones_own():
    class Mine(ExecutionProvider):
        def __init__(self): ...
        def submit(self, command, tasks_per_node, job_name="x"): ...
        def status(self, job_ids): ...
        def cancel(self, job_ids): ...

        label = "mine"
        status_polling_interval = 1

    provider = Mine()
    assert HighThroughputExecutor(provider=provider).provider is provider
    with pytest.raises(ConfigurationError, match="ExecutionProvider"):
        HighThroughputExecutor(provider=Mine)


def test_what_is_set_later_is_checked_at_start():
    executor = HighThroughputExecutor()
    executor.cores_per_worker = 0
    with pytest.raises(ConfigurationError, match="cores_per_worker"):
        executor.start()
    with pytest.raises(ConfigurationError, match="available_accelerators"):
        executor.available_accelerators = "0"


def test_transport_settings_are_kept_and_noted_at_debug_level_only(caplog):
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        executor = HighThroughputExecutor(heartbeat_period=15, prefetch_capacity=4, interchange_port_range=(1, 9))
        HighThroughputExecutor(heartbeat_period=15)
    assert (executor.heartbeat_period, executor.prefetch_capacity) == (15, 4)
    assert "heartbeat_period=15" in repr(executor)
    assert caplog.text.count("heartbeat_period") == 1
    assert {r.levelno for r in caplog.records} == {logging.DEBUG}


@pytest.mark.parametrize(
    ("argument", "today"),
    [
        ({"max_workers": 3}, "max_workers_per_node"),
        ({"worker_ports": (54000, 54001)}, "worker_port="),
        ({"managed": True}, "leave it out"),
        ({"start_method": "spawn"}, "leave it out"),
        ({"suppress_failure": True}, "leave it out"),
        ({"enable_mpi_mode": False}, "leave it out"),
        ({"mpi_launcher": "srun"}, "MPIExecutor"),
    ],
    ids=repr,
)
def test_arguments_of_the_past(argument, today):
    with pytest.warns(ParslDeprecationWarning, match=today) as caught:
        executor = HighThroughputExecutor(**argument)
    assert caught[0].filename == __file__
    assert repr(eval(repr(executor).replace(repr(executor.block_error_handler), "True"), _names())) == repr(executor)


def _names():
    from parsl_on_dask.executors.high_throughput.manager_selector import RandomManagerSelector
    from parsl_on_dask.launchers import SingleNodeLauncher

    return {**globals(), "SingleNodeLauncher": SingleNodeLauncher, "RandomManagerSelector": RandomManagerSelector}


@pytest.mark.filterwarnings("ignore::parsl_on_dask.old_spellings.legacy.ParslDeprecationWarning")
def test_arguments_of_the_past_do_what_they_did():
    executor = HighThroughputExecutor(max_workers=3, worker_ports=(54000, 54001))
    assert (executor.max_workers_per_node, executor.max_workers, executor.worker_port) == (3, 3, 54000)
    executor.max_workers = 5
    assert executor.max_workers_per_node == 5
    assert HighThroughputExecutor(max_workers=float("inf")).max_workers_per_node is None
    with pytest.raises(ConfigurationError, match="only the new one"):
        HighThroughputExecutor(max_workers=3, max_workers_per_node=3)


@pytest.mark.parametrize("argument", [{"managed": False}], ids=repr)
def test_arguments_of_the_past_that_cannot_be_honoured(argument):
    with pytest.raises(ConfigurationError, match=next(iter(argument))):
        HighThroughputExecutor(**argument)


@pytest.mark.parametrize(
    ("arguments", "cores", "memory", "workers"),
    [
        ({}, 8, None, 8),
        ({"cores_per_worker": 3}, 8, None, 2),
        ({"cores_per_worker": 0.5}, 2, None, 4),
        ({"max_workers_per_node": 5}, 8, None, 5),
        ({"mem_per_worker": 4}, 8, 10, 2),
        ({"mem_per_worker": 4}, 8, None, 8),
        ({"available_accelerators": 3}, 8, None, 3),
        ({"available_accelerators": ["a", "b"], "max_workers_per_node": 1}, 8, None, 1),
    ],
)
def test_workers_of_a_node(arguments, cores, memory, workers):
    assert HighThroughputExecutor(**arguments).workers_per_node_for(cores, memory) == workers


@pytest.mark.parametrize("arguments", [{"cores_per_worker": 4}, {"mem_per_worker": 100}], ids=repr)
def test_a_node_without_room_for_a_worker_is_an_error(arguments):
    with pytest.raises(ConfigurationError, match="has no room for a worker"):
        HighThroughputExecutor(**arguments).workers_per_node_for(2, 16)


def test_workers_per_node_before_there_is_a_node():
    assert HighThroughputExecutor().workers_per_node == 1
    assert HighThroughputExecutor(max_workers_per_node=7).workers_per_node == 7
    provider = LocalProvider()
    provider.cores_per_node, provider.mem_per_node = 16, 16
    executor = HighThroughputExecutor(
        provider=provider, max_workers_per_node=16, cores_per_worker=4, mem_per_worker=2, available_accelerators=3
    )
    assert executor.workers_per_node == 3
    executor.available_accelerators = 0
    assert executor.workers_per_node == 4


@pytest.mark.parametrize("arguments", [{}, {"address": "tcp://a:1", "client": object()}], ids=["none", "two"])
def test_dask_executor_needs_exactly_one_cluster(arguments):
    with pytest.raises(ConfigurationError, match="exactly one of address, .* jobqueue and hosts"):
        DaskExecutor(**arguments)


def test_dask_executor_address():
    class Client:
        def gather(self): ...

    with pytest.raises(TypeError, match=r"DaskExecutor\(client=\.\.\.\)"):
        DaskExecutor(Client())
    with pytest.raises(ConfigurationError, match="tcp://node1:8786"):
        DaskExecutor("node1")
    with pytest.raises(ConfigurationError, match="security"):
        DaskExecutor(client=Client(), security=object())


@pytest.mark.parametrize(
    ("executor", "good", "bad"),
    [
        (ThreadPoolExecutor(), [{}, None], [{"priority": 1}]),
        (HighThroughputExecutor(), [{}, None, {"priority": 1}], [{"cores": 1}, {"priority": "high"}]),
        (
            DaskExecutor("tcp://a:1"),
            [{}, {"resources": {"X": 1}, "workers": ["a"], "priority": -1}],
            [{"nodes": 1}, {"cores": 2}, {"resources": ["X"]}, {"workers": 3}],
        ),
    ],
    ids=["threads", "htex", "dask"],
)
def test_resource_specifications(executor, good, bad):
    for specification in good:
        executor.validate_resource_spec(specification)
    for specification in bad:
        with pytest.raises(InvalidResourceSpecification) as caught:
            executor.validate_resource_spec(specification)
        assert caught.value.invalid_keys == set(specification)


class Lane:
    """A lane that keeps what it is given."""

    executor = None

    def __init__(self):
        self.futures, self.closed = [], []

    def submit_call(self, function, spec, args, kwargs):
        self.futures.append(Future())
        return self.futures[-1]

    def node_hours(self):
        return None

    def outstanding(self):
        return sum(not f.done() for f in self.futures)

    def workers(self):
        return [
            {"address": str(n), "name": str(n), "host": host, "pid": n, "block": block, "nthreads": 1}
            for n, (host, block) in enumerate([("a", "0"), ("a", "0"), ("b", "0"), ("a", "1")])
        ]

    def status(self):
        return {}

    def close(self, wait=False):
        self.closed.append(wait)


def test_a_running_executor(monkeypatch):
    monkeypatch.setattr("parsl_on_dask.lanes.open_lane", lambda executor: Lane())
    executor = HighThroughputExecutor()
    executor.start()
    lane = executor.lane
    with pytest.raises(ExecutorError, match="runs already"):
        executor.start()
    first, second = executor.submit(max, {}, 1, 2), executor.submit(max, {}, 1, 2)
    assert executor.outstanding() == 2
    first.set_result(2)
    assert list(executor.tasks.values()) == [second]
    assert executor.connected_blocks() == ["0", "1"]
    assert [(m["block_id"], m["hostname"], m["worker_count"]) for m in executor.connected_managers()] == [
        ("0", "a", 2),
        ("0", "b", 1),
        ("1", "a", 1),
    ]
    executor.shutdown()
    assert lane.closed == [False]
    executor.start()
    assert executor.tasks == {}


def test_an_executor_that_is_given_up(monkeypatch):
    monkeypatch.setattr("parsl_on_dask.lanes.open_lane", lambda executor: Lane())
    executor = HighThroughputExecutor()
    executor.start()
    future = executor.submit(max, {}, 1, 2)
    trouble = RuntimeError("all blocks failed")
    executor.set_bad_state_and_fail_all(trouble)
    assert str(future.exception(0)) == "Executor HighThroughputExecutor failed due to: all blocks failed"
    assert future.exception().__cause__ is trouble
    with pytest.raises(RuntimeError, match="all blocks failed"):
        executor.submit(max, {}, 1, 2)
    executor.start()
    assert not executor.bad_state_is_set


def test_threads_finish_their_queue_before_they_end(monkeypatch):
    monkeypatch.setattr("parsl_on_dask.lanes.open_lane", lambda executor: Lane())
    executor = ThreadPoolExecutor()
    executor.start()
    lane = executor.lane
    executor.shutdown()
    assert lane.closed == [True]


def test_executors_of_ones_own():
    class Inline(ParslExecutor):
        label = "inline"

        def __init__(self):
            pass  # as executors for Parsl's early releases did

        def submit(self, func, resource_specification, *args, **kwargs):
            raise AssertionError

        def shutdown(self):
            super().shutdown()

    executor = Inline()
    assert Config(executors=[executor]).executors == (executor,)
    executor.run_dir = "/somewhere"
    assert (executor.run_dir, executor.run_id, executor.monitor_resources()) == ("/somewhere", None, True)
    with executor:
        executor.start()


def test_manager_lost_is_importable_from_the_interchange():
    assert str(ManagerLost(b"m1", "node7")) == "Task failure due to loss of manager m1 on host node7"
