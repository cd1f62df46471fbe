"""Whatever ends a run, the next one finds the results that were seen done."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.checkpoint import Store
from parsl_on_dask.checkpoint.entry import CheckpointWarning
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from tests import interpreters
from tests.checkpoint.runs import Run, block, length, ran, recorded, squares
from tests.helpers import WAIT, Script, address_in, append, eventually, text_of

CALLS = 80


@pytest.fixture(scope="module", params=["threads", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


on_threads = pytest.mark.parametrize("config_name", ["threads"], indirect=True, scope="module")
on_all_three = pytest.mark.parametrize(
    "config_name", ["threads", "processes", "existing"], indirect=True, scope="module"
)


def memoizer(mode: Any = "task_exit", **options: Any) -> BasicMemoizer:
    return BasicMemoizer(checkpoint_mode=mode, **options)


# ---------------------------------------------------------------- processes that are killed

CAMPAIGN = """
import os, sys, time, warnings
from concurrent.futures import as_completed
import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor

kind, number, runs, calls, size, durability, retries = sys.argv[1:]
if kind == "threads":
    executor = ThreadPoolExecutor(max_threads=2)
elif kind == "processes":
    executor = HighThroughputExecutor(max_workers_per_node=2)
elif kind.endswith(".json"):
    executor = DaskExecutor(scheduler_file=kind)
else:
    executor = DaskExecutor(kind)

@python_app(cache=True, ignore_for_cache=["number", "folder"])
def work(i, size, number=None, folder=None):
    with open(f"{folder}/ran-{number}", "a") as f:
        f.write(f"{i} {os.getpid()}\\n")
    time.sleep(0.004)
    return i * i if not size else bytes([i % 256]) * (size + i)

def right(i, value):
    return value == (i * i if not int(size) else bytes([i % 256]) * (int(size) + i))

memoizer = BasicMemoizer(checkpoint_mode="task_exit", durability=durability)
parsl.load(Config(executors=[executor], run_dir=runs + "/runinfo", memoizer=memoizer, retries=int(retries)))
print("loaded", flush=True)
futures = {work(i, int(size), number=number, folder=runs): i for i in range(int(calls))}
for future in as_completed(futures):
    i = futures[future]
    try:
        value = future.result()
    except Exception as e:
        print("failed", i, type(e).__name__, flush=True)
    else:
        print("done" if right(i, value) else "wrong", i, flush=True)  # it was seen
print("end", flush=True)
parsl.clear()
print("cleared", flush=True)
"""


class Campaign:
    """Runs of the script above, one after the other."""

    def __init__(self, script: Callable[..., Script], kind: str, folder: Path, size: int, durability: str) -> None:
        self.script, self.kind, self.folder, self.size, self.durability = script, kind, folder, size, durability
        self.seen: set[int] = set()

    def begin(self, number: Any, retries: int = 0, **options: Any) -> Script:
        words = (self.kind, number, self.folder, CALLS, self.size, self.durability, retries)
        return self.script(CAMPAIGN, *map(str, words), **options)

    def ran(self, number: Any) -> list[int]:
        """Which calls were run in a run."""
        return [int(line.split()[0]) for line in text_of(self.folder / f"ran-{number}").splitlines()]

    def workers(self, number: Any) -> list[int]:
        """The processes in which they were run, the last one at the end."""
        return [int(line.split()[1]) for line in text_of(self.folder / f"ran-{number}").splitlines()]

    def check(self, number: Any, one: Script) -> None:
        """Nothing that was seen done before was run again; what this run has shown counts from now on."""
        assert "wrong" not in one.stdout
        again = self.seen & set(self.ran(number))
        assert not again, f"{sorted(again)} were done before run {number}\n{one.stderr}"
        lines = one.stdout.split("\n")[:-1]  # whoever is killed may leave half a line
        self.seen |= {int(line.split()[1]) for line in lines if line.startswith("done ")}

    def finish(self) -> None:
        """The last run does just the rest, and leaves nothing to do."""
        one = self.begin("end")
        assert one.ends() == 0, one.stderr
        self.check("end", one)
        assert self.seen == set(range(CALLS))
        ran = self.ran("end")
        assert len(ran) == len(set(ran))


@pytest.fixture
def campaign(script: Any, config_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Campaign]:
    kind = request.getfixturevalue("existing_cluster") if config_name == "existing" else config_name

    def make(size: int = 0, durability: str = "process", where: str = kind) -> Campaign:
        return Campaign(script, where, tmp_path, size, durability)

    return make


@on_all_three
def test_the_client_is_killed(campaign: Callable[..., Campaign], config_name: str) -> None:
    whole = campaign()
    for number in range(2 if config_name == "threads" else 1):
        one = whole.begin(number)
        one.said("loaded")
        moment = random.uniform(0, 0.25)
        time.sleep(moment)
        one.signal(signal.SIGKILL)
        one.ends()
        one.leaves_nothing()
        whole.check(number, one)
    whole.finish()


@pytest.mark.parametrize("config_name", ["existing"], indirect=True, scope="module")
def test_the_client_is_killed_with_large_results(campaign: Callable[..., Campaign]) -> None:
    whole = campaign(size=100_000, durability="sync")
    for number in range(2):
        one = whole.begin(number)
        one.said("loaded")
        time.sleep(random.uniform(0.1, 0.6))
        one.signal(signal.SIGKILL)
        one.ends()
        whole.check(number, one)
    whole.finish()


@pytest.mark.parametrize("config_name", ["processes"], indirect=True, scope="module")
def test_workers_are_killed(campaign: Callable[..., Campaign]) -> None:
    whole = campaign(size=100_000, durability="sync")
    one = whole.begin(0, retries=20)
    killed: set[int] = set()
    for _ in range(2):
        pid = eventually(lambda: next((p for p in reversed(whole.workers(0)) if p not in killed), 0), "a worker runs")
        killed.add(pid)
        os.kill(pid, signal.SIGKILL)
        time.sleep(random.uniform(0.05, 0.2))
    one.said("cleared")
    assert one.ends() == 0, one.stderr
    # a large value whose worker dies, and then the worker that makes it again, is lost
    assert one.stdout.count("done ") + one.stdout.count("failed ") == CALLS
    assert one.stdout.count("done ") > CALLS - 10
    one.leaves_nothing()
    whole.check(0, one)
    whole.finish()


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Callable[[str], tuple[str, int]]]:
    """A function that starts a cluster of the test's own; its scheduler file, and the process of its scheduler."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> tuple[str, int]:
        folder = tmp_path / name
        folder.mkdir()
        file = folder / "scheduler.json"
        common = ["--scheduler-file", str(file), "--no-dashboard"]
        for module, *words in (
            ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"),
            ("distributed.cli.dask_worker", "--host", "127.0.0.1", "--nthreads", "2", "--no-nanny"),
        ):
            with open(folder / f"{module}.log", "wb") as out:
                command = [sys.executable, "-m", module, *common, *words]
                started.append(
                    interpreters.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
                )
            eventually(lambda: address_in(file), "the scheduler has started", 60)
        return str(file), started[-2].pid

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("config_name", ["threads"], indirect=True, scope="module")
def test_the_scheduler_is_killed(campaign: Callable[..., Campaign], own_cluster: Any) -> None:
    file, scheduler = own_cluster("first")
    whole = campaign(100_000, "sync", file)
    # Dask's client tries for so long to find it again
    one = whole.begin(0, env={"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s"})
    one.said("loaded")
    eventually(lambda: one.stdout.count("done ") > 10, "some are done")
    os.kill(scheduler, signal.SIGKILL)
    one.said("cleared", 60)
    one.ends()
    assert "failed" in one.stdout
    whole.check(0, one)
    whole.kind, _ = own_cluster("second")
    whole.finish()


# ---------------------------------------------------------------- disks that do not do what they should


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a small file system; the limit on the size of files is tested instead")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here; the limit on the size of files is tested instead")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("size", [20_000, 100_000])
def test_a_full_disk(run: Run, log: str, small_disk: Path, size: int) -> None:
    place = small_disk / "checkpoint"
    full = pytest.warns(CheckpointWarning, match=r"'block' cannot be written to .*No space left")
    with full, run(memoizer(directory=place)):
        assert [f.result(WAIT) for f in [length(block(log, size + i)) for i in range(80)]]
        squares(log)
    kept = recorded(place).count("block")
    assert 3 <= kept < 80 and ran(log) == 85
    assert Store(place).damaged == 0
    if (place / "values").exists():
        assert {name.suffix for name in (place / "values").iterdir()} == {".val"}, "nothing half-written is left"
    with pytest.warns(CheckpointWarning), run(memoizer(directory=place)):
        assert [len(f.result(WAIT)) for f in [block(log, size + i) for i in range(80)]]
    assert ran(log) - 85 == 80 - kept


@on_threads
def test_room_again(run: Run, log: str, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with run(memoizer(directory=small_disk / "checkpoint")):
        squares(log, range(2))
        with pytest.raises(OSError), open(ballast, "wb", buffering=0) as f:
            while True:
                f.write(b"b" * 4096)
        with pytest.warns(CheckpointWarning, match="No space left"):
            assert len(block(log, 30_000).result(WAIT)) == 30_000
        ballast.unlink()
        squares(log, range(2, 4))
    assert recorded(small_disk / "checkpoint") == ["square"] * 4


def test_files_that_may_not_grow(script: Any) -> None:
    one = script(
        """
        import resource, signal, sys, warnings
        import parsl_on_dask as parsl
        from parsl_on_dask import python_app
        from parsl_on_dask.config import Config
        from parsl_on_dask.dataflow.memoization import BasicMemoizer
        from parsl_on_dask.executors import ThreadPoolExecutor

        runs = []

        @python_app(cache=True)
        def make(i):
            runs.append(i)
            return b"m" * 20_000

        def go():
            memoizer = BasicMemoizer(checkpoint_mode="task_exit", directory="cache")
            config = Config(executors=[ThreadPoolExecutor()], memoizer=memoizer, initialize_logging=False)
            with parsl.load(config):
                assert all(len(make(i).result()) == 20_000 for i in range(20))

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        go()
        print("first", len(runs))
        go()
        print("second", len(runs))
        """
    )
    assert one.ends() == 0, one.stderr
    first, second = (int(line.split()[1]) for line in one.stdout.splitlines())
    assert first == 20 and 8 <= 40 - second <= 10, one.stdout
    assert "'make' cannot be written" in one.stderr and "File too large" in one.stderr


@on_threads
def test_a_path_where_there_can_be_no_directory(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="give the directory"):
        run(memoizer(directory=tmp_path / "file" / "checkpoint"))


def test_a_directory_that_cannot_be_written(run: Run, log: str, small_disk: Path) -> None:
    place = small_disk / "checkpoint"
    with run(memoizer(directory=place)):
        squares(log)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    refused = pytest.warns(CheckpointWarning, match="'square' cannot be written.*later run computes it again")
    with refused, run(memoizer(directory=place)):
        squares(log, range(10))
        assert len(block(log, 100_000).result(WAIT)) == 100_000
    assert ran(log) == 11


def test_a_directory_that_vanishes(run: Run, log: str, tmp_path: Path) -> None:
    place = tmp_path / "checkpoint"
    with pytest.warns(CheckpointWarning), run(memoizer(directory=place)) as kernel:
        squares(log)
        shutil.rmtree(place)
        squares(log, range(5, 10))
        kernel.checkpoint()
        squares(log, range(10, 15))
        assert len(block(log, 100_000).result(WAIT)) == 100_000
        squares(log, range(15))
    assert ran(log) == 16


@pytest.mark.parametrize("mode", ["task_exit", "dfk_exit"])
@on_threads
def test_a_value_that_cannot_be_pickled(run: Run, log: str, mode: str) -> None:
    @python_app(cache=True)
    def lock(log: str) -> Any:
        append(log)
        return threading.Lock()

    for number in range(2):
        refused = pytest.warns(CheckpointWarning, match="'lock' cannot be recorded: TypeError: cannot pickle")
        with refused, run(memoizer(mode)) as kernel:
            first, second = lock(log), lock(log)
            assert first.result(WAIT) is second.result(WAIT)
            squares(log + ".other")
        place = os.path.join(kernel.run_dir, "checkpoint")
        assert ran(log) == number + 1
        assert recorded(place) == ["square"] * 5


def test_warnings_that_are_errors(script: Any) -> None:
    """Strict scripts run as well; the log has what would have been the warning."""
    one = script(
        """
        import threading
        import parsl_on_dask as parsl
        from parsl_on_dask.config import Config
        from parsl_on_dask.dataflow.memoization import BasicMemoizer
        from parsl_on_dask.executors import ThreadPoolExecutor

        def lock(i):
            return threading.Lock()

        app = parsl.python_app(lock, cache=True)
        other = parsl.python_app(abs, cache=True)
        for turn in range(2):
            memoizer = BasicMemoizer(checkpoint_mode="dfk_exit")
            with parsl.load(Config(executors=[ThreadPoolExecutor()], memoizer=memoizer)):
                futures = [app(1), app(2), other(-2)]
                print(type(futures[0].result()).__name__, futures[2].result(), futures[2].task_status())
        """,
        python_args=("-W", "error::UserWarning"),
    )
    assert one.ends() == 0, one.stderr
    assert one.stdout.split() == ["lock", "2", "exec_done", "lock", "2", "memo_done"]
    assert "cannot be recorded" in text_of(one.directory / "runinfo" / "000" / "parsl.log")
