"""One test for each promise of the product description that goes beyond Parsl."""

from __future__ import annotations

import concurrent.futures
import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.dependency_resolvers import DEEP_DEPENDENCY_RESOLVER
from parsl_on_dask.errors import ConfigurationError, ExecutorError, NoDataFlowKernelError
from parsl_on_dask.executors import ThreadPoolExecutor
from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.utils import get_last_checkpoint
from tests.helpers import WAIT, Script, eventually, hold
from tests.kernels import own_children

pytestmark = pytest.mark.usefixtures("nothing_loaded")

WARM = True


@python_app
def value(x: Any) -> Any:
    return x


@python_app
def holding(started: str, gate: str, x: Any = None) -> Any:
    return hold(started, gate, x)


class Broken(ParslExecutor):
    label = "broken"

    def __init__(self) -> None:
        super().__init__()
        self.shut_down = 0

    def start(self) -> None:
        raise OSError("will not start")

    def submit(self, func: Any, resource_specification: Any, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("never started")

    def shutdown(self) -> None:
        self.shut_down += 1


def test_load_takes_close_bad_executors_and_disable_cleanup(make_config: Callable[..., Any], tmp_path: Path) -> None:
    parameters = inspect.signature(parsl.load).parameters
    assert [(p, parameters[p].default) for p in ("config", "close_bad_executors", "disable_cleanup")] == [
        ("config", None),
        ("close_bad_executors", True),
        ("disable_cleanup", False),
    ]
    kernel = parsl.load(make_config())
    with pytest.raises(RuntimeError, match="Config has already been loaded") as caught:
        parsl.load(make_config())
    assert isinstance(caught.value, ConfigurationError)
    assert parsl.dfk() is kernel
    parsl.clear()


@pytest.mark.parametrize("close", [True, False])
def test_an_executor_that_cannot_start_is_shut_down_with_the_others(
    make_config: Callable[..., Any], make_executor: Callable[..., Any], close: bool
) -> None:
    good, broken = make_executor(), Broken()
    before, threads = own_children(), threading.active_count()
    with pytest.raises((OSError, ExecutorError), match="will not start"):
        parsl.load(make_config(executors=[good, broken]), close_bad_executors=close)
    assert bool(broken.shut_down) is close
    with pytest.raises(NoDataFlowKernelError):
        parsl.dfk()
    if close:
        eventually(lambda: own_children() <= before, "no process remains")
        eventually(lambda: threading.active_count() <= threads + 2, "no thread remains")
    else:
        try:
            assert good.submit(abs, {}, -3).result(WAIT) == 3
        finally:
            good.shutdown()
    parsl.load(make_config())
    assert value(1).result(WAIT) == 1


@pytest.mark.parametrize("disable", [False, True])
def test_disable_cleanup_leaves_clean_up_at_exit_to_the_user(
    disable: bool, script: Callable[..., Script], config_name: str, request: pytest.FixtureRequest
) -> None:
    kind = request.getfixturevalue("existing_cluster") if config_name == "existing" else config_name
    run = script(
        """
        import atexit, sys
        import parsl_on_dask as parsl
        from parsl_on_dask.config import Config
        from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor

        def mine():
            print("cleaned up:", kernel.cleanup_called, flush=True)
            kernel.cleanup()

        atexit.register(mine)
        kind = sys.argv[1]
        makers = {"threads": ThreadPoolExecutor, "processes": lambda: HighThroughputExecutor(max_workers_per_node=1)}
        executor = makers.get(kind, lambda: DaskExecutor(kind))()
        kernel = parsl.load(Config(executors=[executor]), disable_cleanup=sys.argv[2] == "True")
        assert parsl.python_app(abs)(-2).result() == 2
        """,
        kind,
        str(disable),
    )
    assert run.ends() == 0, run.stderr
    assert run.stdout.splitlines() == [f"cleaned up: {not disable}"]
    run.leaves_nothing()


def test_clear_waits_for_running_tasks_and_is_quiet_when_nothing_is_loaded(
    make_config: Callable[..., Any], tmp_path: Path, gate: str
) -> None:
    parsl.clear()
    kernel = parsl.load(make_config())
    futures = [holding(str(tmp_path / f"started{i}"), gate, i) for i in range(4)]
    eventually((tmp_path / "started0").exists, "it runs")
    threading.Timer(0.2, Path(gate).touch).start()
    parsl.clear()
    assert [f.result(0) for f in futures] == list(range(4))
    parsl.clear()
    kernel.cleanup()
    kernel.cleanup()


def test_loading_an_empty_list_of_executors_is_an_error_and_none_the_default() -> None:
    with pytest.raises(ConfigurationError, match="executors"):
        parsl.load(Config(executors=[]))
    for config in (Config(), Config(executors=None)):
        [executor] = config.executors
        assert isinstance(executor, ThreadPoolExecutor) and executor.max_threads == 2


def test_task_records_have_attributes_and_the_kernel_its_members(make_config: Callable[..., Any]) -> None:
    config = make_config(garbage_collect=False)
    kernel = parsl.load(config)
    future = value(1)
    assert future.result(WAIT) == 1
    record = kernel.tasks[future.tid]
    assert record.status is record["status"] is future.task_record.status
    assert record.func_name == record["func_name"] == "value"
    assert kernel.task_count == 1
    assert set(config.executors) <= set(kernel.executors.values())
    assert kernel.config is config
    assert isinstance(kernel.run_id, str) and kernel.run_id


def test_submit_in_both_forms(make_config: Callable[..., Any], config_name: str) -> None:
    kernel = parsl.load(make_config())

    def weighted(a: int, b: int, weight: int = 1) -> int:
        return (a + b) * weight

    assert kernel.submit(weighted, 1, 2, weight=10).result(WAIT) == 30
    assert kernel.submit(weighted, value(1), 2).result(WAIT) == 3
    parsls = kernel.submit(
        weighted, app_args=(1, 2), executors=[config_name], cache=False, ignore_for_cache=[], app_kwargs={"weight": 3}
    )
    assert parsls.result(WAIT) == 9


def test_checkpoint_settings_are_config_arguments(tmp_path: Path) -> None:
    parameters = inspect.signature(Config).parameters
    assert {"checkpoint_mode", "checkpoint_files", "checkpoint_period"} <= set(parameters)
    config = Config(checkpoint_files=[get_last_checkpoint(str(tmp_path))], run_dir=str(tmp_path))
    parsl.load(config)
    assert value(1).result(WAIT) == 1


def test_a_list_of_appfutures_is_a_dependency_and_both_idioms_work(make_config: Callable[..., Any]) -> None:
    parsl.load(make_config())

    @python_app
    def by_result(futures: Any) -> Any:
        return [f.result() for f in futures], [f.done() for f in futures], [f.exception() for f in futures]

    @python_app
    def by_iteration(futures: Any) -> Any:
        return [x for sub in futures for x in sub]

    @python_app
    def as_values(futures: Any) -> Any:
        a, b = futures
        return a + b, a < b, a == [0], len(a), a[0], {b: 1} if False else hash((1,)) == hash((1,)), a.copy()

    gate: concurrent.futures.Future[Any] = concurrent.futures.Future()
    lists = [value([0]), value(gate)]
    futures = [by_result(lists), by_iteration(lists), as_values(lists), value(5)]
    assert futures[3].result(WAIT) == 5, "no worker is held"
    assert not any(f.done() for f in futures[:3])
    gate.set_result([1, 2])
    assert futures[0].result(WAIT) == ([[0], [1, 2]], [True, True], [None, None])
    assert futures[1].result(WAIT) == [0, 1, 2]
    assert futures[2].result(WAIT) == ([0, 1, 2], True, True, 1, 0, True, [0])


def test_the_deep_resolver_delivers_plain_values(make_config: Callable[..., Any]) -> None:
    parsl.load(make_config(dependency_resolver=DEEP_DEPENDENCY_RESOLVER))
    types = python_app(lambda xs: [type(x).__name__ for x in xs])
    assert types([value(1), value("a")]).result(WAIT) == ["int", "str"]


def test_the_errors_have_their_places() -> None:
    import parsl_on_dask.errors
    import parsl_on_dask.executors.errors

    assert parsl_on_dask.errors.ExecutorError is parsl_on_dask.executors.errors.ExecutorError
    assert issubclass(parsl_on_dask.errors.NoDataFlowKernelError, parsl_on_dask.errors.ParslError)
    assert issubclass(parsl_on_dask.errors.ConfigurationError, parsl_on_dask.errors.ParslError)
    assert issubclass(parsl_on_dask.executors.errors.ScalingFailed, parsl_on_dask.errors.ExecutorError)


@pytest.mark.parametrize(
    "exit_mode, raises",
    [("cleanup", False), ("wait", False), ("wait", True), ("skip", False)],
    ids=["cleanup", "wait", "wait, with an exception", "skip"],
)
def test_exit_mode_is_honoured(
    make_config: Callable[..., Any], exit_mode: str, raises: bool, tmp_path: Path, gate: str
) -> None:
    never: concurrent.futures.Future[int] = concurrent.futures.Future()
    try:
        with parsl.load(make_config(exit_mode=exit_mode)) as kernel:
            pending = value(never)
            if raises:
                raise LookupError("out of the block")
            threading.Timer(0.3, never.set_result, (5,)).start()
    except LookupError:
        assert raises
    if exit_mode == "skip":
        assert parsl.dfk() is kernel and value(1).result(WAIT) == 1
        return
    with pytest.raises(NoDataFlowKernelError):
        parsl.dfk()
    if exit_mode == "wait" and not raises:
        assert pending.result(0) == 5
    else:
        assert pending.exception(10) is not None, "given up, with an error that says why"


def test_exit_mode_must_be_one_of_three() -> None:
    with pytest.raises(Exception, match="(?i)exit_mode|literal"):
        Config(exit_mode="explode")  # type: ignore[arg-type]
