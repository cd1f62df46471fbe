"""What programs bring of their own, by Parsl's interfaces: all of it in one Config, on processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor as Pool
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.dependency_resolvers import DependencyResolver
from parsl_on_dask.dataflow.memoization import Memoizer, make_hash
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.executors.high_throughput.manager_selector import ManagerSelector
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.providers import LocalProvider
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.utils import RepresentationMixin
from tests.helpers import eventually
from tests.kernels import unload


class Inline(ParslExecutor, RepresentationMixin):
    """Runs calls in a thread of its own."""

    def __init__(self, label: str = "inline") -> None:
        super().__init__()
        self.label = label

    def start(self) -> None:
        self.pool = Pool(1, thread_name_prefix="mine")

    def submit(self, func: Any, resource_specification: dict[str, Any], *args: Any, **kwargs: Any) -> Future[Any]:
        if set(resource_specification) - {"speed"}:
            raise ValueError("I know speed only")
        return self.pool.submit(func, *args, **kwargs)

    def shutdown(self) -> None:
        self.pool.shutdown()
        super().shutdown()


class Shell(ExecutionProvider, RepresentationMixin):
    """Gives blocks that are processes of a shell."""

    def __init__(self, init_blocks: int = 1, min_blocks: int = 0, max_blocks: int = 1) -> None:
        super().__init__()
        self.init_blocks, self.min_blocks, self.max_blocks = init_blocks, min_blocks, max_blocks
        self.nodes_per_block = 1
        self.parallelism = 1.0
        self.walltime = "01:00:00"
        self.jobs: dict[int, subprocess.Popen[bytes]] = {}

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.auto") -> int:
        job = subprocess.Popen(["bash", "-c", command], start_new_session=True)
        self.jobs[job.pid] = job
        return job.pid

    def status(self, job_ids: Sequence[Any]) -> list[JobStatus]:
        return [JobStatus(JobState.RUNNING if self.jobs[j].poll() is None else JobState.COMPLETED) for j in job_ids]

    def cancel(self, job_ids: Sequence[Any]) -> list[bool]:
        for job in job_ids:
            if self.jobs[job].poll() is None:
                os.killpg(job, signal.SIGTERM)
        return [True for _ in job_ids]

    @property
    def label(self) -> str:
        return "shell"

    @property
    def status_polling_interval(self) -> int:
        return 1


class Exporting(Launcher):
    """Lets workers know a word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    # as programs for Parsl up to 2026.3 write it, without script_dir
    def __call__(self, command: str, tasks_per_node: int, nodes_per_block: int) -> str:  # type: ignore[override]
        return f"export WORD={self.word}\n{command}"


class Table(Memoizer):
    """Remembers results in a dict, and what it was asked."""

    def __init__(self) -> None:
        self.table: dict[str, Future[Any]] = {}
        self.asked: list[str] = []

    def start(self, *, run_dir: str, config_run_dir: str) -> None:
        self.asked.append(f"start {os.path.isdir(run_dir)}")

    def check_memo(self, task: Any) -> Future[Any] | None:
        if not task["memoize"]:
            return None
        task["hashsum"] = make_hash(task)
        self.asked.append(f"check {task['func_name']}")
        return self.table.get(task["hashsum"])

    def update_memo_result(self, task: Any, r: Any) -> None:
        if task["memoize"]:
            self.table[task["hashsum"]] = task["app_fu"]

    def update_memo_exception(self, task: Any, e: BaseException) -> None:
        self.asked.append(f"failed {task['func_name']} {type(e).__name__}")

    def close(self) -> None:
        self.asked.append("close")


class First(ManagerSelector):
    def sort_managers(self, ready_managers: Any, manager_list: Any) -> list[Any]:
        return sorted(manager_list)


class Box:
    """Holds a future where nobody looks for one."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner


def gather(value: Any) -> list[Future[Any]]:
    inner = value.inner if isinstance(value, Box) else value
    return [inner] if isinstance(inner, Future) else []


def unwrap(value: Any) -> Any:
    if isinstance(value, Box) and isinstance(value.inner, Future):
        return Box(value.inner.result())
    return value.result() if isinstance(value, Future) else value


class Seen:
    """What the plug-ins of the kernel were told."""

    def __init__(self) -> None:
        self.memoizer = Table()
        self.failures: list[tuple[str, int]] = []
        self.states: list[dict[str, JobState]] = []


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    seen = Seen()

    def cost(error: Exception, record: Any) -> float:
        seen.failures.append((type(error).__name__, record["try_id"]))
        return 0.5 if isinstance(error, KeyError) else 100

    def look(executor: Any, status: Any) -> None:
        seen.states.append({block: each.state for block, each in status.items()})

    config = Config(
        executors=[
            Inline(),
            HighThroughputExecutor(
                "shell",
                provider=Shell(),
                max_workers_per_node=1,
                encrypted=False,
                manager_selector=First(),
                block_error_handler=look,
            ),
            HighThroughputExecutor(
                "launched", provider=LocalProvider(launcher=Exporting("spoken")), max_workers_per_node=1
            ),
        ],
        memoizer=seen.memoizer,
        dependency_resolver=DependencyResolver(gather, unwrap),
        retries=1,
        retry_handler=cost,
        strategy_period=1,
        run_dir=str(tmp_path_factory.mktemp("runinfo")),
    )
    parsl.load(config)
    yield seen
    unload()
    assert seen.memoizer.asked[-1] == "close"


def environment(name: str) -> str | None:
    import os

    return os.environ.get(name)


def test_an_executor_beside_ours(seen: Seen) -> None:
    def thread() -> str:
        import threading

        return threading.current_thread().name

    app = python_app(thread, executors=["inline"])
    assert app().result().startswith("mine")
    double = python_app(lambda x: 2 * x, executors=["shell"])
    length = python_app(len, executors=["inline"])
    assert double(length("abc")).result() == 6  # results go from one kind to the other
    assert length(python_app(list, executors=["launched"])("abcd")).result() == 4
    assert repr(parsl.dfk().executors["inline"]) == "Inline(label='inline')"


def test_an_executor_that_refuses_a_specification(seen: Seen) -> None:
    def plain(parsl_resource_specification: Any = None) -> int:
        return 1

    app = python_app(plain, executors=["inline"])
    assert app(parsl_resource_specification={"speed": 3}).result() == 1
    with pytest.raises(ValueError, match="speed only"):
        app(parsl_resource_specification={"color": 3}).result()


def test_a_provider_is_a_source_of_blocks(seen: Seen) -> None:
    executor: Any = parsl.dfk().executors["shell"]
    assert python_app(environment, executors=["shell"])("PARSL_WORKER_BLOCK_ID").result() == "0"
    assert executor.status()["0"].state == JobState.RUNNING
    assert executor.connected_blocks() == ["0"]
    assert len(executor.provider.jobs) == 1


def test_an_error_handler_sees_the_blocks(seen: Seen) -> None:
    python_app(environment, executors=["shell"])("HOME").result()
    eventually(lambda: {"0": JobState.RUNNING} in seen.states, "the handler was told of the block")


def test_a_launcher_starts_the_workers(seen: Seen) -> None:
    assert python_app(environment, executors=["launched"])("WORD").result() == "spoken"


def test_a_memoizer_is_asked(seen: Seen) -> None:
    def moment(x: int) -> float:
        import time

        return time.time()

    app = python_app(moment, executors=["shell"], cache=True)
    assert app(1).result() == app(1).result() != app(2).result()
    assert seen.memoizer.asked[0] == "start True"
    assert seen.memoizer.asked.count("check moment") == 3


def test_a_resolver_finds_futures_where_it_looks(seen: Seen) -> None:
    def inside(box: Any) -> Any:
        return box.inner

    number = python_app(abs, executors=["shell"])(-5)
    assert python_app(inside, executors=["shell"])(Box(number)).result() == 5


def test_a_retry_handler_counts(seen: Seen, tmp_path: Path) -> None:
    def flaky(path: str) -> int:
        with open(path, "a+") as file:
            file.seek(0)
            before = len(file.read())
            file.write("x")
        if before < 2:
            raise KeyError(before)
        return before

    def hopeless() -> None:
        raise OSError

    seen.failures.clear()
    assert python_app(flaky, executors=["shell"])(str(tmp_path / "count")).result() == 2
    assert seen.failures == [("KeyError", 0), ("KeyError", 1)]
    with pytest.raises(OSError):
        python_app(hopeless, executors=["shell"])().result()
    assert seen.failures[2:] == [("OSError", 0)]
    assert "failed hopeless OSError" in seen.memoizer.asked
