"""Whole scripts as people write them: no __main__ guard, no clean-up, interrupted, killed."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import Script, alive, eventually

HEADER = """\
import os, sys, time
import parsl_on_dask as parsl
from parsl_on_dask import python_app, bash_app, join_app
from parsl_on_dask.config import Config
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor

kind, gate = sys.argv[1:3]
if kind == "threads":
    executor = ThreadPoolExecutor(max_threads=2)
elif kind == "processes":
    executor = HighThroughputExecutor(max_workers_per_node=2)
else:
    executor = DaskExecutor(kind)

@python_app
def double(x):
    return 2 * x

@python_app
def pid():
    return os.getpid()

@python_app
def hold(started, gate):
    open(started, "w").close()
    for _ in range(9000):
        if os.path.exists(gate):
            return
        time.sleep(0.01)

"""

on_processes = pytest.mark.parametrize("config_name", ["processes"], indirect=True, scope="module")
LOAD = "parsl.load(Config(executors=[executor]))\n"
HOLDING = """
future = hold(f"{gate}.started", gate)
while not os.path.exists(f"{gate}.started"):
    time.sleep(0.01)
"""
WAITING = 'print("waiting", flush=True)\nfuture.result()\n'


@pytest.fixture
def run(
    script: Callable[..., Script], config_name: str, request: pytest.FixtureRequest, gate: str
) -> Callable[..., Script]:
    """Start HEADER plus some text on the executor of the test."""
    kind = request.getfixturevalue("existing_cluster") if config_name == "existing" else config_name
    return lambda text, **options: script(HEADER + text, kind, gate, **options)


def test_no_guard_and_no_cleanup(run: Callable[..., Script], tmp_path: Path) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    text = (
        "print(sum(f.result() for f in [double(i) for i in range(20)]))\nprint(len(double('x' * 500_000).result()))\n"
    )
    one = run(LOAD + text + "print('last line')\n", env={"TMPDIR": str(place)})
    assert one.ends() == 0, one.stderr
    assert one.stdout.splitlines() == ["380", "1000000", "last line"]
    assert "Traceback" not in one.stderr and "Error" not in one.stderr, one.stderr
    one.leaves_nothing()
    assert list(place.iterdir()) == []
    made = {p.name for p in one.directory.iterdir()}
    assert made == {"script.py", "stdout.txt", "stderr.txt", "runinfo"}


def test_results_that_nobody_asked_for(run: Callable[..., Script]) -> None:
    """A script that ends right after its calls ends quietly; whether the last of them still run is left open."""
    one = run(
        LOAD
        + """
@python_app
def write(i):
    open(f"{gate}.{i}", "w").close()
for i in range(20):
    write(i)
"""
    )
    assert one.ends() == 0, one.stderr
    assert "Traceback" not in one.stderr, one.stderr
    one.leaves_nothing()


def test_calls_still_running_at_the_end(run: Callable[..., Script], config_name: str, gate: str) -> None:
    text = "futures = [hold(f'{gate}.started{i}', gate) for i in range(4)]\n"
    text += "while not os.path.exists(f'{gate}.started0'):\n    time.sleep(0.01)\nprint('end', flush=True)\n"
    one = run(LOAD + text)
    one.said("end")
    if config_name == "threads":
        Path(gate).touch()
    assert one.ends() == 0, one.stderr
    one.leaves_nothing()


def test_with_and_clear_in_a_script(run: Callable[..., Script]) -> None:
    one = run(
        """
config = Config(executors=[executor])
with parsl.load(config):
    print(double(1).result())
parsl.load(config)
print(double(2).result())
parsl.clear()
parsl.load(config)
print(double(3).result())
parsl.dfk().cleanup()
"""
    )
    assert one.ends() == 0, one.stderr
    assert one.stdout.split() == ["2", "4", "6"]
    assert "Traceback" not in one.stderr, one.stderr
    one.leaves_nothing()


def test_an_exception_in_the_script(run: Callable[..., Script]) -> None:
    one = run(LOAD + "print(double(1).result())\nraise LookupError('in the script')\n")
    assert one.ends() == 1
    assert one.stdout.split() == ["2"]
    assert one.stderr.rstrip().endswith("LookupError: in the script"), one.stderr
    one.leaves_nothing()


@on_processes
def test_an_exit_code(run: Callable[..., Script]) -> None:
    one = run(LOAD + "double(1).result()\nsys.exit(7)\n")
    assert one.ends() == 7, one.stderr
    one.leaves_nothing()


def test_ctrl_c_while_waiting(run: Callable[..., Script], config_name: str, gate: str) -> None:
    one = run(LOAD + HOLDING + WAITING)
    one.said("waiting")
    one.signal(signal.SIGINT, group=True)
    if config_name == "threads":
        eventually(lambda: "KeyboardInterrupt" in one.stderr or one.process.poll() is not None, "it was interrupted")
        Path(gate).touch()
    assert one.ends() in (1, 130, -signal.SIGINT), one.stderr
    assert "KeyboardInterrupt" in one.stderr
    one.leaves_nothing()


def test_ctrl_c_that_the_script_catches(run: Callable[..., Script]) -> None:
    """Workers do not hear the Ctrl-C of the terminal: calls go on and results arrive."""
    one = run(
        LOAD
        + HOLDING
        + """
try:
    print("waiting", flush=True)
    future.result()
except KeyboardInterrupt:
    print("caught", flush=True)
open(gate, "w").close()
future.result()
print(double(4).result())
"""
    )
    one.said("waiting")
    one.signal(signal.SIGINT, group=True)
    assert one.ends() == 0, one.stderr
    assert one.stdout.split() == ["waiting", "caught", "8"], one.stderr
    one.leaves_nothing()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_a_script_that_is_killed(run: Callable[..., Script], number: int, config_name: str) -> None:
    one = run(LOAD + HOLDING + WAITING)
    one.said("waiting")
    assert one.leftovers(), "the script itself at least"
    one.signal(number)
    assert one.ends() != 0
    one.leaves_nothing()


def test_a_script_killed_while_idle(run: Callable[..., Script], config_name: str) -> None:
    one = run(LOAD + "print(pid().result(), flush=True)\nprint('idle', flush=True)\ntime.sleep(300)\n")
    one.said("idle")
    worker = int(one.stdout.split()[0])
    if config_name == "processes":  # whoever looks for leftovers of a script finds them: they inherit its environment
        assert worker in {p.pid for p in one.leftovers()} and worker != one.process.pid
    one.signal(signal.SIGKILL)
    one.ends()
    one.leaves_nothing()
    if config_name == "existing":
        assert alive(worker), "not ours to end"


def test_a_killed_script_frees_the_workers_of_others(
    run: Callable[..., Script], config_name: str, existing_client: Any, gate: str
) -> None:
    if config_name != "existing":
        pytest.skip("workers that outlive the script")
    one = run(
        LOAD
        + """
futures = [double(hold(f"{gate}.started{i}", gate)) for i in range(50)]
while not os.path.exists(f"{gate}.started0"):
    time.sleep(0.01)
print("waiting", flush=True)
time.sleep(300)
"""
    )
    one.said("waiting")
    one.signal(signal.SIGKILL)
    one.ends()
    Path(gate).touch()
    assert existing_client.submit(pow, 2, 5, pure=False).result(30) == 32

    def forgotten() -> bool:
        count = existing_client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        return bool(count <= 1)

    eventually(forgotten, "the scheduler forgot the calls of the killed script")


def test_nothing_is_printed_by_itself(run: Callable[..., Script]) -> None:
    one = run(LOAD + "double(1).result()\nbad = python_app(int)('x').exception()\nparsl.clear()\n")
    assert one.ends() == 0
    assert one.stdout == ""
    assert one.stderr == "", one.stderr


def test_a_forked_child_with_a_kernel_of_its_own(run: Callable[..., Script], config_name: str) -> None:
    one = run(
        """
child = os.fork()
if child == 0:
    parsl.load(Config(executors=[executor]))
    print("child", double(4).result(), flush=True)
    parsl.clear()
    os._exit(0)
_, status = os.waitpid(child, 0)
print("status", status)
"""
    )
    assert one.ends() == 0, one.stderr
    assert one.stdout.split() == ["child", "8", "status", "0"], one.stderr
    one.leaves_nothing()


@on_processes
def test_a_script_from_another_directory(run: Callable[..., Script], tmp_path: Path) -> None:
    one = run("os.chdir('/')\nconfig = Config(executors=[executor], run_dir=os.path.dirname(gate) + '/runs')\n"
              "parsl.load(config)\nprint(double(2).result())\n")  # fmt: skip
    assert one.ends() == 0, one.stderr
    assert one.stdout.split() == ["4"]
    assert (tmp_path / "runs" / "000" / "parsl.log").exists()


def test_a_call_after_the_end_says_so(run: Callable[..., Script]) -> None:
    one = run(
        """
import atexit
@atexit.register
def late():
    for call in (lambda: double(1), lambda: kernel.submit(abs, 1)):
        try:
            call()
        except parsl.errors.NoDataFlowKernelError as e:
            print("late:", e)
"""
        + LOAD.replace("parsl.load", "kernel = parsl.load")
        + "print(double(1).result())\n"
    )
    assert one.ends() == 0, one.stderr
    first, *late = one.stdout.splitlines()
    assert first == "2" and len(late) == 2
    assert all("the script has ended, and its kernel was cleaned up" in line.lower() for line in late)
    one.leaves_nothing()
