"""Large results whose worker dies: they are made again, or their call has failed."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

import parsl_on_dask as parsl
from parsl_on_dask import Config, python_app
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.executors import DaskExecutor
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.lanes.large_results import LargeResults
from tests.helpers import WAIT, append, eventually, hold, text_of

SIZE = 1_000_000


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    """Threads have no worker that could die alone."""
    return str(request.param)


@python_app
def small(i: Any) -> Any:
    return i


@python_app
def big(size: int, log: str, x: Any = None) -> Any:
    append(log)
    return (os.getpid(), b"x" * size)


@python_app
def pid_of(x: Any) -> int:
    return int(x[0])


@python_app
def size(x: Any) -> int:
    return len(x[1])


def fed(make: Callable[[], Any]) -> Any:
    """What a call gives that is sent to a shift which runs: run times are known, and others go before it."""
    for future in [small(i) for i in range(200)]:
        future.result(WAIT)
    before = [small(i) for i in range(20)]
    future = make()
    for other in before:
        other.result(WAIT)
    return future


@pytest.mark.parametrize("kind", ["sent to a shift", "sent ahead", "alone"])
def test_a_value_is_made_again_when_its_worker_has_died(kind: str, load: Callable[..., Any], tmp_path: Path) -> None:
    load(retries=2)
    log = str(tmp_path / "log")
    if kind == "alone":
        made = big(SIZE, log)
    elif kind == "sent to a shift":
        made = fed(lambda: big(SIZE, log))
    else:
        made = fed(lambda: big(SIZE, log, small(7)))
    os.kill(pid_of(made).result(WAIT), signal.SIGKILL)
    assert size(made).result(WAIT) == SIZE
    assert len(made.result(WAIT)[1]) == SIZE
    assert text_of(log) == "xx" and made.task_record.fail_count == 0


def test_many_large_values_of_one_shift(load: Callable[..., Any], tmp_path: Path) -> None:
    load()
    log = str(tmp_path / "log")
    fed(lambda: small(0))
    made = [big(100_000 + i, log) for i in range(10)]
    assert [size(m).result(WAIT) for m in made] == [100_000 + i for i in range(10)]
    assert len(text_of(log)) == 10


def test_a_value_that_is_lost_before_dask_has_it_is_a_failed_try(
    load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies when it has told of the result, and before Dask has taken it."""
    kernel = load(retries=1)
    log = str(tmp_path / "log")
    lane(kernel).client.wait_for_workers(2, timeout=WAIT)
    pids = lane(kernel).client.run(os.getpid)
    begin = LargeResults.begin
    killed: list[int] = []

    def after_a_kill(self: LargeResults, number: int) -> None:
        entry = self.calls.get(number)
        if entry is not None and not killed and entry[1].large.fed:
            pid = pids[entry[1].large.address]
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: not os.path.exists(f"/proc/{pid}/exe") or _is_dead(pid), "the worker's end")
        begin(self, number)

    monkeypatch.setattr(LargeResults, "begin", after_a_kill)
    made = fed(lambda: big(SIZE, log))
    assert len(made.result(WAIT)[1]) == SIZE
    if killed:
        # Dask may have given the task to another worker at once, which then ran the call: no failed try
        assert text_of(log) == "xx"
        assert made.task_record.fail_count in (0, 1)


def test_a_call_runs_once_when_dask_gives_its_value_to_an_idle_worker(
    tmp_path: Path, gate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker that has the value is busy when Dask is to take it, so that Dask's work stealing gets at it."""
    adopt = LargeResults._adopt
    withheld: list[tuple[LargeResults, Any, Any]] = []
    monkeypatch.setattr(LargeResults, "_adopt", lambda *words: withheld.append(words))
    started = str(tmp_path / "started")
    workers: dict[str, Any] = {"threads_per_worker": 1, "processes": False, "protocol": "tcp", "host": "127.0.0.1"}
    with (
        LocalCluster(n_workers=1, dashboard_address=":0", **workers) as cluster,
        parsl.load(Config([DaskExecutor(cluster=cluster)], run_dir=str(tmp_path / "runinfo"))) as kernel,
    ):
        for i in itertools.count():
            log = str(tmp_path / f"log{i}")

            @python_app
            def large(
                log: str, i: int = i
            ) -> Any:  # of an app whose results are known to be large, none is sent to a shift
                append(log)
                return b"x" * SIZE

            made = fed(lambda: large(log))  # noqa: B023
            eventually(lambda: withheld or made.done(), "it has run")  # noqa: B023
            if withheld:  # else it was a Dask task of its own this time
                break
        busy = python_app(hold)(started, gate)
        eventually(lambda: os.path.exists(started), "its worker is busy")
        (words,) = withheld
        lane(kernel).later("adopt", lambda _: adopt(*words), None)
        address = words[2].address

        def at() -> str:
            """Where Dask has the task that takes the value."""
            found = [task for key, task in cluster.scheduler.tasks.items() if key.startswith("large")]
            return found[-1].processing_on.address if found and found[-1].processing_on else ""

        eventually(lambda: at() == address, "Dask has the task")
        cluster.scale(2)
        eventually(lambda: at() not in ("", address), "the idle worker has stolen it")
        eventually(lambda: at() == address, "and has given it back")
        Path(gate).touch()
        assert len(made.result(WAIT)) == SIZE
        busy.result(WAIT)
    assert text_of(log) == "x"


def _is_dead(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_no_tries_are_left(load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Dask says of a value that it did not get is the call's error."""
    load()
    monkeypatch.setattr(LargeResults, "adopted", lambda self, number, future: self._settle(number, future, "error"))
    made = fed(lambda: big(SIZE, str(tmp_path / "log")))
    error = made.exception(WAIT)
    if error is None:  # it went alone
        pytest.skip("the call was not sent to a shift this time")
    assert isinstance(error, WorkerLost)


def test_with_durability_sync_done_means_on_disk(load: Callable[..., Any], tmp_path: Path) -> None:
    """The worker is killed while it writes the value."""
    kernel = load(memoizer=BasicMemoizer(checkpoint_mode="task_exit", durability="sync"), retries=1)
    values = Path(kernel.run_dir) / "checkpoint" / "values"

    @python_app(cache=True)
    def huge(n: int) -> bytes:
        return b"x" * n

    @python_app
    def pid() -> int:
        return os.getpid()

    pids = {pid().result(WAIT) for _ in range(20)}
    made = huge(150_000_000)
    deadline = time.monotonic() + WAIT
    while not (values.is_dir() and os.listdir(values)) and time.monotonic() < deadline:
        time.sleep(0.001)
    for each in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    error = made.exception(WAIT)
    assert error is None or isinstance(error, WorkerLost)
    if error is None:
        assert len([name for name in os.listdir(values) if name.endswith(".val")]) == 1


def lane(kernel: Any) -> Any:
    return next(iter(kernel.executors.values())).lane


def test_calls_that_end_together_have_an_exception_each(load: Callable[..., Any], gate: str) -> None:
    kernel = load()

    @python_app
    def held(gate: str) -> None:
        while not os.path.exists(gate):
            time.sleep(0.01)

    waiting = [held(gate) for _ in range(30)]
    lane(kernel).inbox.put(("trouble", None))
    lane(kernel).cluster.trouble = lambda: WorkerLost("all", "here")
    errors = [f.exception(WAIT) for f in waiting]
    assert len({id(e) for e in errors}) == 30 and {str(e) for e in errors} == {str(errors[0])}
    for _ in range(3):
        for error in errors:
            with pytest.raises(type(error)):
                waiting[errors.index(error)].result()
    Path(gate).touch()
