"""Runs that take results from earlier ones."""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import bash_app, join_app, python_app
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.dataflow.errors import BadCheckpoint
from parsl_on_dask.dataflow.memoization import BasicMemoizer, Memoizer, id_for_memo
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.utils import get_all_checkpoints, get_last_checkpoint
from tests.checkpoint.runs import Run, ran, recorded, square, squares, states
from tests.helpers import WAIT, append, eventually, hold, text_of

pytestmark = pytest.mark.filterwarnings("ignore::parsl_on_dask.old_spellings.legacy.ParslDeprecationWarning")


@pytest.fixture(scope="module", params=["threads", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def runinfo(tmp_path: Path) -> str:
    return str(tmp_path / "runinfo")


# elsewhere a call may be with a worker already, and then it is too late
only_on_threads = pytest.mark.parametrize("config_name", ["threads"], indirect=True, scope="module")


def memoizer(mode: Any = "task_exit", **options: Any) -> BasicMemoizer:
    return BasicMemoizer(checkpoint_mode=mode, **options)


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


@id_for_memo.register(Named)
def _(named: Named, output_ref: bool = False) -> bytes:
    return named.name.encode()


# ---------------------------------------------------------------- modes


@pytest.mark.parametrize("spelling", ["memoizer", "config"])
@pytest.mark.parametrize("mode", ["task_exit", "periodic", "dfk_exit", "manual"])
def test_a_second_run_takes_what_the_first_recorded(run: Run, log: str, mode: Any, spelling: str) -> None:
    options: dict[str, Any] = {"checkpoint_mode": mode}
    if mode == "periodic":
        options["checkpoint_period"] = "00:00:01"
    make = (lambda: {"memoizer": BasicMemoizer(**options)}) if spelling == "memoizer" else (lambda: options)
    with run(**make()) as kernel:
        first = squares(log)
        place = os.path.join(kernel.run_dir, "checkpoint")
        if mode == "task_exit":
            assert len(recorded(place)) == 5, "at once"
        elif mode == "periodic":
            eventually(lambda: len(recorded(place)) == 5, "the period is over", 10)
        elif mode == "dfk_exit":
            assert recorded(place) == []
        else:
            assert recorded(place) == []
            assert kernel.checkpoint() == place
            assert len(recorded(place)) == 5
    assert len(recorded(place)) == 5
    assert states(first) == {"exec_done"} and ran(log) == 5
    with run(**make()):
        again = squares(log, range(6))
        assert ran(log) == 6
        assert states(again[:5]) == {"memo_done"} and again[5].task_status() == "exec_done"
        assert [f.task_record["from_memo"] for f in again] == [True] * 5 + [False]
        assert [f.task_record["hashsum"] for f in again[:5]] == [f.task_record["hashsum"] for f in first]


def test_without_a_mode_nothing_is_read_or_written(run: Run, log: str, runinfo: str) -> None:
    with run(memoizer()):
        squares(log)
    with run() as kernel:
        squares(log)
        assert kernel.memoizer.checkpoint() is None
        squares(log)
    assert ran(log) == 10
    assert get_all_checkpoints(runinfo) == [os.path.join(runinfo, "000", "checkpoint")]


def test_files_without_a_mode_are_read_and_nothing_is_written(run: Run, log: str, runinfo: str) -> None:
    with run(memoizer()):
        squares(log)
    with run(BasicMemoizer(checkpoint_files=get_last_checkpoint(runinfo))):
        assert states(squares(log)) == {"memo_done"}
    with run(checkpoint_files=[get_last_checkpoint(runinfo)]):
        assert states(squares(log)) == {"memo_done"}
    assert ran(log) == 5
    assert get_all_checkpoints(runinfo) == [os.path.join(runinfo, "000", "checkpoint")]


@pytest.mark.parametrize(
    ("files", "hits"),
    [
        (lambda d: None, 2),
        (lambda d: [], 0),
        (lambda d: [[]], 0),
        (lambda d: get_all_checkpoints(d), 2),
        (lambda d: [get_all_checkpoints(d)], 2),
        (lambda d: [get_last_checkpoint(d), []], 1),
        (lambda d: [Path(d) / "000" / "checkpoint"], 1),
        (lambda d: tuple(get_all_checkpoints(d)), 2),
    ],
    ids=["None", "none", "none in a list", "all", "all in a list", "last in a list", "a Path", "a tuple"],
)
def test_which_files_are_read(run: Run, log: str, runinfo: str, files: Any, hits: int) -> None:
    for number in range(2):
        with run(memoizer(checkpoint_files=[])):
            squares(log, range(number, number + 1))
    with run(memoizer(checkpoint_files=files(runinfo))):
        squares(log, range(2))
    assert ran(log) == 4 - hits


@pytest.mark.parametrize("make", [False, True], ids=["missing", "empty"])
def test_a_listed_directory_with_nothing_in_it(run: Run, runinfo: str, tmp_path: Path, make: bool) -> None:
    place = tmp_path / "elsewhere"
    if make:
        place.mkdir()
    with pytest.raises(BadCheckpoint, match=f"Checkpoint file was not found: {place}"):
        run(memoizer(checkpoint_files=[str(place)]))
    with pytest.raises(BadCheckpoint, match="Checkpoint file was not found"):
        run(checkpoint_files=[[str(place)]])


def test_a_listed_run_that_recorded_nothing(run: Run, log: str, runinfo: str) -> None:
    with run(memoizer()):
        pass
    place = Path(runinfo, "000", "checkpoint")
    assert place.parent.is_dir() and not place.exists()
    with run(memoizer(checkpoint_files=[str(place)])):
        squares(log)
    with pytest.raises(BadCheckpoint, match="There is no directory"):
        run(memoizer(checkpoint_files=[str(place.parent.parent / "007" / "checkpoint")]))


def test_a_run_that_was_killed_before_its_first_result(run: Run, log: str, runinfo: str) -> None:
    place = Path(runinfo, "000", "checkpoint")
    (place / "values").mkdir(parents=True)
    with run(memoizer(checkpoint_files=get_last_checkpoint(runinfo))):
        squares(log)
    with run(memoizer()):
        squares(log)
    assert ran(log) == 5


def test_a_period_has_to_be_one(run: Run) -> None:
    for period in (None, "10 minutes", "00:00:00"):
        with pytest.raises(ConfigurationError, match="period"):
            run(memoizer("periodic", checkpoint_period=period))


def test_what_the_newest_directory_holds_is_enough(run: Run, log: str, runinfo: str) -> None:
    for number in range(3):
        with run(memoizer(checkpoint_files=get_last_checkpoint(runinfo))):
            squares(log, range(number + 1))
    with run(memoizer(checkpoint_files=get_last_checkpoint(runinfo))):
        squares(log, range(3))
    assert ran(log) == 3
    assert [len(recorded(place)) for place in get_all_checkpoints(runinfo)] == [1, 2, 3, 3]


def test_a_manual_checkpoint_takes_what_is_there(run: Run, log: str) -> None:
    with run(memoizer("manual")) as kernel:
        place = kernel.checkpoint()
        assert recorded(place) == []
        for number in range(3):
            squares(log, range(number, number + 1))
            assert kernel.memoizer.checkpoint() is None
            assert len(recorded(place)) == number + 1
        assert kernel.checkpoint(tasks=[]) == place


def test_a_periodic_checkpoint_never_sees_a_result_too_early(run: Run, log: str) -> None:
    """What is recorded is the result, also when the clock strikes between a call's end and its future's."""
    with run(memoizer("manual")) as kernel:
        over = threading.Event()

        def hurry() -> None:
            while not over.is_set():
                kernel.memoizer.checkpoint()

        thread = threading.Thread(target=hurry)
        thread.start()
        try:
            squares(log, range(300))
        finally:
            over.set()
            thread.join()
    with run(memoizer("manual")):
        squares(log, range(300))
    assert ran(log) == 300


# ---------------------------------------------------------------- apps


def test_join_apps(run: Run, log: str) -> None:
    @join_app(cache=True)
    def one(log: str, x: int) -> Any:
        append(log, "o")
        return square(log, x)

    @join_app(cache=True)
    def many(log: str, n: int) -> Any:
        append(log, "m")
        return [square(log, i) for i in range(n)]

    for _ in range(2):
        with run(memoizer()):
            futures = [one(log, 7), many(log, 3)]
            assert [f.result(WAIT) for f in futures] == [49, [0, 1, 4]]
    assert sorted(text_of(log)) == sorted("om" + "x" * 4)
    assert states(futures) == {"memo_done"}


def test_bash_apps_with_outputs(run: Run, tmp_path: Path) -> None:
    @bash_app(cache=True)
    def write(word: str, log: str = "", outputs: Any = (), stdout: Any = None) -> str:
        return f"echo {word} > {outputs[0]}; echo -n x >> {log}; echo {word}"

    log = str(tmp_path / "bash.log")
    for _ in range(2):
        with run(memoizer()):
            for name in ("one", "two", "one"):
                out = str(tmp_path / name)
                future = write("hello", log=log, outputs=[File(out)], stdout=str(tmp_path / "stdout"))
                assert future.result(WAIT) == 0
                assert future.outputs[0].result(WAIT).filepath == out
    assert text_of(log) == "xx", "one for each output"
    assert future.task_status() == "memo_done"


def test_failures_are_remembered_and_not_recorded(run: Run, log: str) -> None:
    @python_app(cache=True)
    def fail(log: str) -> None:
        append(log)
        raise ValueError("no luck")

    for number in range(2):
        with run(memoizer()) as kernel:
            for _ in range(2):
                with pytest.raises(ValueError, match="no luck"):
                    fail(log).result(WAIT)
            place = kernel.checkpoint()
        assert ran(log) == number + 1
        assert not os.path.exists(place) or recorded(place) == []


def test_a_result_of_a_later_try_is_recorded(run: Run, log: str) -> None:
    @python_app(cache=True)
    def third_time(log: str) -> str:
        append(log)
        if os.path.getsize(log) < 3:
            raise ValueError("not yet")
        return "lucky"

    for _ in range(2):
        with run(memoizer(), retries=2):
            assert third_time(log).result(WAIT) == "lucky"
    assert ran(log) == 3


def test_app_cache_off(run: Run, log: str) -> None:
    with run(memoizer()):
        squares(log)
    for options in ({"app_cache": False, "checkpoint_mode": "task_exit"}, {"memoizer": memoizer(memoize=False)}):
        with run(**options):
            assert states(squares(log)) == {"exec_done"}
    assert ran(log) == 15
    with run(app_cache=True, checkpoint_mode="task_exit"):
        squares(log)
    assert ran(log) == 15


def test_ignored_arguments(run: Run, log: str) -> None:
    @python_app(cache=True, ignore_for_cache=["note"])
    def noted(log: str, x: int, note: str = "") -> str:
        append(log)
        return note

    for note in ("first", "second"):
        with run(memoizer()):
            assert noted(log, 1, note=note).result(WAIT) == "first"
    assert ran(log) == 1


def test_a_walltime_is_part_of_the_call(run: Run, log: str) -> None:
    @python_app(cache=True)
    def quick(log: str, x: int, walltime: float = 60) -> int:
        append(log)
        return x

    for walltime in (60, 60, 30):
        with run(memoizer()):
            assert quick(log, 1, walltime=walltime).result(WAIT) == 1
    assert ran(log) == 2


def test_classes_of_the_users_own(run: Run, log: str) -> None:
    @python_app(cache=True)
    def greet(log: str, who: Named) -> str:
        append(log)
        return f"hello {who.name}"

    for name in ("Ann", "Ann", "Bob"):
        with run(memoizer()):
            assert greet(log, Named(name)).result(WAIT) == f"hello {name}"
    assert ran(log) == 2


def test_values_of_all_kinds_come_back(run: Run, log: str) -> None:
    @python_app(cache=True)
    def make(log: str, kind: str) -> Any:
        append(log)
        return {
            "none": None,
            "zero": 0,
            "set": {1, 2},
            "function": lambda x: x + 1,
            "exception": ValueError("as a value"),
            "bytes": b"\0" * 1000,
        }[kind]

    for _ in range(2):
        with run(memoizer()):
            kinds = ("none", "zero", "set", "bytes")
            assert [make(log, kind).result(WAIT) for kind in kinds] == [None, 0, {1, 2}, b"\0" * 1000]
            assert make(log, "function").result(WAIT)(2) == 3
            assert repr(make(log, "exception").result(WAIT)) == "ValueError('as a value')"
    assert ran(log) == 6


def test_a_chain_of_cached_calls(run: Run, log: str) -> None:
    for _ in range(2):
        with run(memoizer()):
            x: Any = 2
            for _ in range(4):
                x = square(log, x)
            assert x.result(WAIT) == 65536
    assert ran(log) == 4
    assert x.task_status() == "memo_done"


def test_plug_ins(run: Run, log: str) -> None:
    class Mine(Memoizer):
        def __init__(self) -> None:
            self.calls: list[str] = []

        def start(self, *, run_dir: str, config_run_dir: str) -> None:
            self.calls.append(f"start {os.path.basename(run_dir)} {os.path.basename(config_run_dir)}")

        def check_memo(self, task: Any) -> Future[Any] | None:
            self.calls.append("check")
            if task["args"][1] != 3:
                return None
            known: Future[Any] = Future()
            known.set_result("known")
            return known

        def update_memo_result(self, task: Any, r: Any) -> None:
            self.calls.append(f"result {r}")

        def update_memo_exception(self, task: Any, e: BaseException) -> None:
            self.calls.append(f"exception {e!r}")

        def close(self) -> None:
            self.calls.append("close")

    mine = Mine()
    with run(mine) as kernel:
        assert square(log, 2).result(WAIT) == 4
        known = square(log, 3)
        assert known.result(WAIT) == "known" and known.task_status() == "memo_done"
        square(log, "a").exception(WAIT)
        with pytest.raises(ConfigurationError, match="writes no checkpoints"):
            kernel.checkpoint()
    assert mine.calls[:5] == ["start 000 runinfo", "check", "result 4", "check", "result known"]
    assert mine.calls[5] == "check" and mine.calls[6].startswith("exception TypeError") and mine.calls[-1] == "close"
    assert ran(log) == 2


def test_plug_ins_over_the_basic_one(run: Run, log: str) -> None:
    class OnlyEven(BasicMemoizer):
        def update_memo_result(self, task: Any, r: Any) -> Any:
            if r % 2:
                return None
            return super().update_memo_result(task, r)

    for _ in range(2):
        with run(OnlyEven(checkpoint_mode="task_exit")):
            squares(log, range(4))
    assert ran(log) == 4 + 2


# ---------------------------------------------------------------- equal calls in flight


@python_app(cache=True)
def held(log: str, started: str, gate: str, value: Any = None) -> Any:
    append(log)
    return hold(started, gate, value)


def test_equal_calls_in_flight_are_one(run: Run, log: str, gate: str, tmp_path: Path) -> None:
    started = str(tmp_path / "started")
    with run(memoizer()):
        futures = [held(log, started, gate, 5) for _ in range(20)]
        eventually(lambda: os.path.exists(started), "it runs")
        futures += [held(log, started, gate, 5) for _ in range(20)]
        time.sleep(0.05)
        assert not any(f.done() for f in futures)
        Path(gate).touch()
        assert [f.result(WAIT) for f in futures] == [5] * 40
        assert sorted(f.task_status() for f in futures) == ["exec_done"] + ["memo_done"] * 39
    assert ran(log) == 1


def test_equal_calls_from_many_threads(run: Run, log: str) -> None:
    with run(memoizer()):
        barrier = threading.Barrier(8)
        found: list[Any] = []

        def call() -> None:
            for i in range(50):
                barrier.wait(WAIT)
                found.append((i, square(log, i)))

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
        assert len(found) == 400
        assert all(future.result(WAIT) == i * i for i, future in found)
    assert ran(log) == 50


def test_the_first_of_equal_calls_fails(run: Run, log: str) -> None:
    @python_app(cache=True)
    def fail(log: str) -> None:
        time.sleep(0.05)
        append(log)
        raise ValueError("all of them")

    with run(memoizer(), retries=1):
        futures = [fail(log) for _ in range(5)]
        assert {repr(f.exception(WAIT)) for f in futures} == {"ValueError('all of them')"}
    assert ran(log) == 2, "as often as one call"


def test_the_first_of_equal_calls_is_tried_again(run: Run, log: str) -> None:
    @python_app(cache=True)
    def second_time(log: str) -> str:
        time.sleep(0.05)
        append(log)
        if os.path.getsize(log) < 2:
            raise ValueError("not yet")
        return "lucky"

    with run(memoizer(), retries=1):
        futures = [second_time(log) for _ in range(5)]
        assert [f.result(WAIT) for f in futures] == ["lucky"] * 5
    assert ran(log) == 2


@only_on_threads
def test_the_first_of_equal_calls_is_cancelled(run: Run, log: str, gate: str, tmp_path: Path) -> None:
    with run(memoizer()):
        busy = [held(log, str(tmp_path / f"busy{i}"), gate) for i in range(2)]
        eventually(lambda: all((tmp_path / f"busy{i}").exists() for i in range(2)), "all workers are busy")
        futures = [square(log, 9) for _ in range(4)]
        assert futures[0].cancel()
        futures.append(square(log, 9))
        Path(gate).touch()
        assert [f.result(WAIT) for f in futures[1:]] == [81] * 4
        assert futures[0].cancelled()
        for future in busy:
            future.result(WAIT)
    assert ran(log) == 2 + 1


@only_on_threads
def test_all_but_the_last_of_equal_calls_are_cancelled(run: Run, log: str, gate: str, tmp_path: Path) -> None:
    with run(memoizer()):
        busy = [held(log, str(tmp_path / f"busy{i}"), gate) for i in range(2)]
        eventually(lambda: all((tmp_path / f"busy{i}").exists() for i in range(2)), "all workers are busy")
        futures = []
        for _ in range(5):
            futures.append(square(log, 9))
            if len(futures) < 5:
                assert futures[-1].cancel()
        Path(gate).touch()
        assert futures[-1].result(WAIT) == 81
        assert [f.cancelled() for f in futures] == [True] * 4 + [False]
        for future in busy:
            future.result(WAIT)
    assert ran(log) == 2 + 1


def test_equal_calls_that_depend_on_others(run: Run, log: str, gate: str, tmp_path: Path) -> None:
    """The one that is ready first runs, whichever was made first; none waits for one that waits for it."""
    with run(memoizer()):
        slow = held(log, str(tmp_path / "slow"), gate, 3)
        late = square(log, slow)
        prompt = square(log, 3)
        assert prompt.result(WAIT) == 9
        outer = square(log, late)
        inner = square(log, prompt)
        assert inner.result(WAIT) == 81
        Path(gate).touch()
        assert late.result(WAIT) == 9 and outer.result(WAIT) == 81
        assert states([late, outer]) == {"memo_done"}
    assert ran(log) == 3


def test_equal_calls_inside_a_join(run: Run, log: str) -> None:
    @join_app(cache=True)
    def fibonacci(log: str, n: int) -> Any:
        append(log)
        if n < 2:
            return ready(n)
        return add(fibonacci(log, n - 1), fibonacci(log, n - 2))

    @python_app
    def ready(n: int) -> int:
        return n

    @python_app
    def add(a: int, b: int) -> int:
        return a + b

    with run(memoizer()):
        assert fibonacci(log, 12).result(WAIT) == 144
    assert ran(log) == 13
    with run(memoizer()):
        assert fibonacci(log, 12).result(WAIT) == 144
    assert ran(log) == 13


def test_calls_left_at_the_end_are_not_recorded(run: Run, log: str, gate: str, tmp_path: Path) -> None:
    kernel = run(memoizer(), exit_mode="cleanup")
    with kernel:
        futures = [held(log, str(tmp_path / "started"), gate, 1) for _ in range(3)]
        eventually((tmp_path / "started").exists, "it runs")
        if any(executor.kind == "threads" for executor in kernel.config.executors):
            Path(gate).touch()
    for future in futures:
        assert future.done()
    Path(gate).touch()


def test_the_log_says_what_was_reused(run: Run, log: str, caplog: pytest.LogCaptureFixture) -> None:
    with run(memoizer()), caplog.at_level(logging.INFO, "parsl"):
        squares(log, range(1))
        squares(log, range(1))
    assert "Reusing cached result for task 1" in caplog.text
