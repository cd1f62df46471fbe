"""Calls and tasks of Dask's share the threads of an executor, and there is no Dask before it is asked for."""

from __future__ import annotations

import operator
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor as Askers
from pathlib import Path
from typing import Any

import dask
import distributed
import pytest

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.common import late_threads
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors import ThreadPoolExecutor
from parsl_on_dask.lanes import in_process
from tests import kernels
from tests.helpers import WAIT, eventually


@pytest.fixture(scope="module", params=["threads"])
def config_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class Stage:
    """Counts who is on it, and holds those that enter until they may go."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = self.entered = 0
        self.go = threading.Event()

    def play(self) -> None:
        with self.lock:
            self.now += 1
            self.entered += 1
            self.most = max(self.most, self.now)
        assert self.go.wait(WAIT)
        with self.lock:
            self.now -= 1


#: What is sent through Dask has to be picklable, and finds its stage here.
stages: dict[str, Stage] = {}


def play(name: str, *_: Any) -> int:
    from tests.lanes.test_threads_and_dask import stages

    stages[name].play()
    return 1


on_stage = python_app(play)


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.node.name
    stages[name] = Stage()
    yield name
    stages.pop(name).go.set()


@pytest.fixture
def lane(load: Callable[..., Any], config_name: str) -> Any:
    return load(initialize_logging=False).executors[config_name].lane


HeldStart = tuple[threading.Event, threading.Event]


@pytest.fixture
def held_start(lane: Any, monkeypatch: pytest.MonkeyPatch) -> HeldStart:
    """An event that says that the start of Dask has begun, and one that lets it go on."""
    begun, go, start = threading.Event(), threading.Event(), lane.dask._start

    def held() -> Any:
        begun.set()
        assert go.wait(WAIT)
        return start()

    monkeypatch.setattr(lane.dask, "_start", held)
    return begun, go


@python_app
def same(x: Any) -> Any:
    return x


def made(lane: Any) -> bool:
    return lane.dask._coming is not None


SCRIPT = """
import sys
import parsl_on_dask as parsl
from parsl_on_dask.config import Config
from parsl_on_dask.executors import ThreadPoolExecutor

@parsl.python_app
def double(x, inputs=()):
    return 2 * x

@parsl.join_app
def joined(x):
    return double(x)

@parsl.bash_app
def command():
    return "exit 0"

with parsl.load(Config(executors=[ThreadPoolExecutor(max_threads=2)], run_dir="runs")):
    chain = 1
    for _ in range(5):
        chain = double(chain)
    assert chain.result() == 32
    assert double(1, inputs=[double(2), joined(3)]).result() == 2
    assert command().result() == 0
    assert command().exception() is None and chain.dask_future is None
    repr(parsl.dfk())
found = sorted({name.partition(".")[0] for name in sys.modules} & {"dask", "distributed", "tornado", "asyncio", "ssl"})
print(found)
"""


def test_a_script_on_threads_imports_nothing_of_dasks(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=WAIT)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_dask_is_there_for_an_app_that_is_the_first_to_import_it(tmp_path: Path) -> None:
    text = """
    import sys
    import parsl_on_dask as parsl

    @parsl.python_app
    def ask(x):
        from distributed import worker_client
        with worker_client() as client:
            return client.gather(client.map(abs, [-1, -2, x]))

    @parsl.python_app
    def compute():
        import dask
        return dask.delayed(sum)([1, 2]).compute()

    config = parsl.Config(executors=[parsl.ThreadPoolExecutor(max_threads=1)], run_dir="runs")
    with parsl.load(config):
        assert "distributed" not in sys.modules
        future = ask(-3)
        other = ask(-4)
        print(future.result(), other.result(), compute().result())
        import distributed  # the functions of which know futures of apps
        client = parsl.dfk().executors["threads"].lane.client
        print(client.gather([future, 5]), client.status)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(text)]
    ran = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=WAIT)
    assert (ran.stdout, ran.stderr) == ("[1, 2, 3] [1, 2, 4] 3\n[[1, 2, 3], 5] running\n", "")


def test_calls_and_tasks_share_the_threads(lane: Any, stage: str) -> None:
    """Also those that have begun before there was a Dask."""
    calls = [on_stage(stage) for _ in range(3)]
    here = stages[stage]
    eventually(lambda: here.entered == 2, "two calls have begun")
    assert not made(lane)
    tasks = lane.client.map(play, [stage] * 4, range(4), pure=False)
    calls += [on_stage(stage) for _ in range(3)]
    eventually(lambda: lane.pool.queue.qsize() >= 6, "calls and tasks wait for the same threads")
    assert (here.entered, here.most) == (2, 2)
    here.go.set()
    assert lane.client.gather(tasks) == [1] * 4 and [f.result(WAIT) for f in calls] == [1] * 6
    assert (here.entered, here.most) == (10, 2)


def test_calls_run_while_dask_comes_up(lane: Any, stage: str, held_start: HeldStart) -> None:
    begun, go = held_start
    with Askers(3) as askers:
        asked = [askers.submit(lambda: lane.client) for _ in range(3)]
        assert begun.wait(WAIT)
        assert same(1).result(WAIT) == 1
        here = stages[stage]
        calls = [on_stage(stage) for _ in range(2)]
        eventually(lambda: here.entered == 2, "both threads have calls")
        go.set()
        clients = {id(f.result(WAIT)) for f in asked}
    assert len(clients) == 1, "all who asked have the same one"
    task = lane.client.submit(play, stage)
    eventually(lambda: lane.pool.queue.qsize() == 1, "the task waits for a thread")
    assert here.most == 2
    here.go.set()
    assert task.result(WAIT) == 1 and [f.result(WAIT) for f in calls] == [1, 1] and here.most == 2


@pytest.mark.parametrize("ask", ["future", "delayed", "client", "dashboard", "get_client", "get_worker"])
def test_what_asks_for_dask(ask: str, lane: Any) -> None:
    assert same(1).result(WAIT) == 1 and not made(lane)
    if ask == "future":
        assert same(lane.client.submit(abs, -2)).result(WAIT) == 2
    elif ask == "delayed":
        assert same(dask.delayed(operator.add)(1, 2)).result(WAIT) == 3
    elif ask == "client":
        assert lane.client.submit(abs, -2).result(WAIT) == 2
    elif ask == "dashboard":
        assert str(parsl.dfk().dashboard_link).startswith("http://127.0.0.1:")
        eventually(lambda: parsl.dfk().views.reporters, "the Parsl page is told")
    else:
        found = python_app(lambda: getattr(distributed, ask)())().result(WAIT)
        assert found.scheduler.address == lane.client.scheduler.address
    assert made(lane)


@python_app
def leave_and_compute(values: list[int]) -> Any:
    from distributed import get_client, rejoin, secede

    futures = get_client().map(abs, values)
    secede()
    found = get_client().gather(futures)
    rejoin()
    return found, threading.current_thread().name


@python_app
def leave_for_good() -> Any:
    from distributed import secede

    secede()
    return threading.current_thread().name


def test_apps_that_leave_their_threads_to_the_tasks_that_they_wait_for(lane: Any) -> None:
    more = [leave_and_compute([-n, n]) for n in range(6)]
    assert [f.result(WAIT)[0] for f in more] == [[n, n] for n in range(6)]
    assert leave_for_good().result(WAIT).startswith("ThreadPoolExecutor-threads_")
    assert same(1).result(WAIT) == 1
    eventually(lambda: lane.pool.threads <= 2 and not lane.outstanding(), "there are as many as before")
    assert not lane.dask.asked


def test_what_dask_knows_of_a_call_ends_with_it(lane: Any) -> None:
    from distributed.worker import thread_state

    def named() -> Any:
        distributed.get_worker()
        return getattr(thread_state, "key", None)

    assert python_app(named)().result(WAIT) == "named"
    seen = [python_app(lambda: getattr(thread_state, "key", None))() for _ in range(4)]
    assert [f.result(WAIT) for f in seen] == [None] * 4


def test_other_threads_have_no_worker(lane: Any) -> None:
    assert same(1).result(WAIT) == 1
    with pytest.raises(ValueError, match="No worker found"):
        distributed.get_worker()

    def aside() -> Any:
        with Askers(1) as pool:
            return pool.submit(distributed.get_worker).exception(WAIT)

    assert isinstance(python_app(aside)().result(WAIT), ValueError)
    assert not made(lane)


def test_a_start_that_fails_is_told_and_may_be_tried_again(lane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    start = lane.dask._start
    monkeypatch.setattr(lane.dask, "_start", lambda: 1 / 0)
    assert isinstance(python_app(distributed.get_client)().exception(WAIT), ZeroDivisionError)
    monkeypatch.setattr(lane.dask, "_start", start)
    assert lane.client.submit(abs, -1).result(WAIT) == 1


def test_nothing_is_made_after_the_end(lane: Any) -> None:
    kernels.unload()
    with pytest.raises(ExecutorError, match="was shut down"):
        _ = lane.client


def test_an_end_while_dask_comes_up_waits_for_it(lane: Any, held_start: HeldStart) -> None:
    begun, go = held_start
    with Askers(2) as askers:
        asked = askers.submit(lambda: lane.client)
        assert begun.wait(WAIT)
        ended = askers.submit(kernels.unload)
        eventually(lambda: lane.dask.closed, "the end has begun")
        go.set()
        assert ended.result(WAIT) is None
        assert asked.result(WAIT).status == "closed"


def test_tasks_that_wait_end_with_their_executor(stage: str) -> None:
    executor = ThreadPoolExecutor(max_threads=1)
    executor.start()
    lane: Any = executor.lane
    first = executor.submit(play, {}, stage)
    here = stages[stage]
    eventually(lambda: here.entered == 1, "it has begun")
    task = lane.client.submit(abs, -1)
    eventually(lambda: lane.pool.queue.qsize() == 1, "the task waits for the thread")
    with Askers(1) as askers:
        ended = askers.submit(executor.shutdown)
        eventually(lambda: lane.outstanding() == 1, "the end waits for the call")
        here.go.set()
        ended.result(WAIT)
    assert first.result(WAIT) == 1 and task.status in ("finished", "cancelled")


def test_dasks_everyday_messages_are_quiet_while_it_is_there(lane: Any) -> None:
    import logging

    theirs = logging.getLogger("distributed")
    before = theirs.level
    assert lane.client.status == "running" and theirs.level >= logging.WARNING and in_process._quiet_for == 1
    kernels.unload()
    assert theirs.level == before


def test_threads_have_the_names_that_were_asked_for() -> None:
    executor = ThreadPoolExecutor(max_threads=1, thread_name_prefix="mine")
    executor.start()
    try:
        assert executor.submit(threading.current_thread, {}).result(WAIT).name == "mine_0"
    finally:
        executor.shutdown()


def test_all_threads_start_where_none_can_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_threads, "LATE", True)
    executor = ThreadPoolExecutor(max_threads=3)
    executor.start()
    try:
        lane: Any = executor.lane
        assert lane.pool.threads == 3
    finally:
        executor.shutdown()


def test_a_call_that_is_over_is_not_among_those_that_run(lane: Any, stage: str) -> None:
    call = on_stage(stage)
    eventually(lambda: stages[stage].entered == 1, "it runs")
    assert lane.running() == {"play": 1}
    stages[stage].go.set()
    assert call.result(WAIT) == 1
    eventually(lambda: not lane.running(), "nothing runs")
