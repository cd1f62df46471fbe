"""A script that dies and is started again, and what stays meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from parsl_on_dask import Config
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor
from tests import interpreters
from tests.helpers import Script, alive, eventually, start_script

HEAD = """\
import os, signal, sys, time
import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor

gate = os.path.join(os.getcwd(), "gate")

@python_app(cache=True)
def once(i, gate=gate, ignore_for_cache=["gate"]):
    with open(f"{gate}-began", "a") as file:
        file.write(f"{i}\\n")
    with open(f"{gate}-workers", "a") as file:
        file.write(f"{os.getpid()}\\n")
    while i and not os.path.exists(gate):
        time.sleep(0.01)
    if i == 13:
        raise ValueError("thirteen")
    return i * i

@python_app
def plain(i, gate=gate):
    with open(f"{gate}-plain", "a") as file:
        file.write(f"{i}\\n")
    while not os.path.exists(gate):
        time.sleep(0.01)

def load(linger=60, workers=2, label="kept", **options):
    return parsl.load(Config(
        executors=[HighThroughputExecutor(label=label, max_workers_per_node=workers)], linger=linger, **options
    ))

def say(text):
    print(text, flush=True)
"""

Life = Callable[..., Script]


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    """Starts a script in the directory of the test: always the same one, unless it has other arguments."""
    lives: list[Script] = []

    def start(text: str, *args: str, **options: Any) -> Script:
        lives.append(
            start_script(tmp_path, HEAD + text, *args, env={"XDG_STATE_HOME": str(tmp_path / "state")}, **options)
        )
        return lives[-1]

    yield start
    (tmp_path / "gate").touch()
    for one in lives:
        one.kill()


def began(tmp_path: Path, what: str = "began") -> list[int]:
    path = tmp_path / f"gate-{what}"
    return sorted(map(int, path.read_text().split())) if path.exists() else []


def record_of(tmp_path: Path, run: str = "000") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "runinfo" / run / "resident.json").read_text())
    return found


def killed_with_calls(life: Life, tmp_path: Path, calls: str = "[once(i) for i in range(1, 5)]", **options: Any) -> int:
    """Kill a script while two of its calls run; returns the pid of what stays."""
    first = life(f"load(); calls = {calls}; say('called'); time.sleep(60)", **options)
    first.said("called")
    eventually(lambda: len(began(tmp_path)) + len(began(tmp_path, "plain")) >= 2, "two calls run")
    first.process.kill()
    first.process.wait()
    eventually(lambda: record_of(tmp_path)["name"], "what stays has noticed")
    pid: int = record_of(tmp_path)["process"][0]
    return pid


def test_calls_that_run_and_wait_are_joined(life: Life, tmp_path: Path) -> None:
    killed_with_calls(life, tmp_path)
    second = life("load(); calls = [once(i) for i in range(1, 6)]; say('called'); say([c.result() for c in calls])")
    second.said("called")
    (tmp_path / "gate").touch()
    assert second.ends() == 0, second.stderr
    assert "[1, 4, 9, 16, 25]" in second.stdout
    assert began(tmp_path) == [1, 2, 3, 4, 5]
    assert "another life of run" in second.stderr
    assert "Its calls: 2 running, 2 waiting, 0 ended since. Its blocks: 1" in second.stderr
    second.leaves_nothing()
    assert not (tmp_path / "runinfo/000/resident.json").exists()


def test_what_ended_while_nobody_was_here_is_heard_later(life: Life, tmp_path: Path) -> None:
    killed_with_calls(life, tmp_path, "[once(1), once(13)]")
    (tmp_path / "gate").touch()
    record = record_of(tmp_path)
    eventually(lambda: _asked(record)["ended"] == 2, "both have ended")
    second = life("load(); say(once(1).result()); say(repr(once(13).exception()))")
    assert second.ends() == 0, second.stderr
    assert "ValueError('thirteen')" in second.stdout
    assert began(tmp_path) == [1, 13]


def _asked(record: dict[str, Any]) -> dict[str, Any]:
    from parsl_on_dask.linger.reattach import knock

    found: dict[str, Any] = knock(record, ask=True)[1]["state"]
    return found


def test_calls_without_a_key_run_again_and_those_that_wait_do_not_twice(life: Life, tmp_path: Path) -> None:
    killed_with_calls(life, tmp_path, "[plain(i) for i in range(4)]")
    second = life("load(); calls = [plain(i) for i in range(4)]; say('called'); [c.result() for c in calls]")
    second.said("called")
    (tmp_path / "gate").touch()
    assert second.ends() == 0, second.stderr
    assert began(tmp_path, "plain") == [0, 0, 1, 1, 2, 3]


def test_a_script_that_an_exception_ends_leaves_its_executors(life: Life, tmp_path: Path) -> None:
    first = life("load(); once(0).result(); say(os.getpid()); 1 / 0", fresh=True)
    assert first.ends() == 1
    assert "run runinfo/000 stays for 60 s. Start the script again, and it goes on" in first.stderr
    assert alive(record_of(tmp_path)["process"][0])
    second = life("load(); say(once(0).result())")
    assert second.ends() == 0, second.stderr
    assert "Its blocks: 1" in second.stderr
    assert began(tmp_path) == [0]
    second.leaves_nothing()


@pytest.mark.parametrize("end", ["pass", "os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", "parsl.clear()"])
def test_nothing_stays_when_a_script_ends_or_is_interrupted(end: str, life: Life, tmp_path: Path) -> None:
    only = life(f"load(); once(0).result(); {end}")
    only.ends()
    only.leaves_nothing()
    assert not (tmp_path / "runinfo/000/resident.json").exists()


def test_of_two_scripts_one_takes_it_up_and_the_other_says_who(life: Life, tmp_path: Path) -> None:
    killed_with_calls(life, tmp_path)
    text = "load(); calls = [once(i) for i in range(1, 5)]; say('called'); [c.result() for c in calls]"
    second = life(text)
    second.said("called")
    third = life(text)
    third.said("called")
    assert f"is in the hands of process {second.process.pid} since" in third.stderr
    (tmp_path / "gate").touch()
    assert (second.ends(), third.ends()) == (0, 0)


def test_another_version_is_refused(life: Life, tmp_path: Path) -> None:
    pid = killed_with_calls(life, tmp_path)
    path = tmp_path / "runinfo/000/resident.json"
    record = record_of(tmp_path)
    record["versions"]["distributed"] = "2020.1.0"
    path.write_text(json.dumps(record))
    second = life("load()")
    assert second.ends() == 1
    assert "is still there, with distributed 2020.1.0, and this is distributed" in second.stderr
    assert "python -m parsl_on_dask stop" in second.stderr
    assert alive(pid)


def test_other_executors_are_refused(life: Life, tmp_path: Path) -> None:
    pid = killed_with_calls(life, tmp_path)
    second = life("load(workers=3)")
    assert second.ends() == 1
    assert "executor 'kept' had max_workers_per_node=2. Now it has max_workers_per_node=3. " in second.stderr
    assert alive(pid)


@pytest.mark.extended
def test_executors_that_a_later_life_does_not_have_are_named(life: Life, tmp_path: Path) -> None:
    killed_with_calls(life, tmp_path)
    (tmp_path / "gate").touch()
    second = life("load(label='renamed'); say(once(1).result())")
    assert second.ends() == 0, second.stderr
    assert "which this Config does not have stay until the run ends: kept\n" in second.stderr


@pytest.mark.extended
def test_a_script_may_start_afresh(life: Life, tmp_path: Path) -> None:
    pid = killed_with_calls(life, tmp_path)
    (tmp_path / "gate").touch()
    second = life("load(reattach=False); say(once(1).result())")
    assert second.ends() == 0, second.stderr
    assert "is still there, runinfo/000, and is left alone; `python -m parsl_on_dask stop" in second.stderr
    assert alive(pid)


@pytest.mark.extended
def test_another_script_takes_nothing_up(life: Life, tmp_path: Path) -> None:
    pid = killed_with_calls(life, tmp_path)
    (tmp_path / "gate").touch()
    other = life("load(); say(once(1).result())", "--another-argument")
    assert other.ends() == 0, other.stderr
    assert "another life" not in other.stderr
    assert alive(pid)


def test_each_load_of_a_script_takes_up_its_own(life: Life, tmp_path: Path) -> None:
    text = "load(); say(once(0).result()); parsl.clear(); load(); calls = [once(1)]; say('called'); "
    first = life(text + "time.sleep(60)")
    first.said("called")
    eventually(lambda: began(tmp_path) == [0, 1], "the second load's call runs")
    first.process.kill()
    first.process.wait()
    eventually(lambda: record_of(tmp_path, "001")["name"], "what stays has noticed")
    second = life(text + "say(calls[0].result())")
    second.said("called")
    (tmp_path / "gate").touch()
    assert second.ends() == 0, second.stderr
    assert began(tmp_path) == [0, 1]
    assert second.stderr.count("another life of run") == 1


def test_a_child_that_the_script_has_forked_is_not_the_script(life: Life, tmp_path: Path) -> None:
    first = life("load(); child = os.fork() or time.sleep(600); say(child); os.kill(os.getpid(), signal.SIGKILL)")
    first.ends()
    eventually(lambda: record_of(tmp_path)["name"], "what stays has noticed")
    assert alive(int(first.stdout))


def test_a_life_that_cannot_be_loaded_ends_nothing(life: Life, tmp_path: Path) -> None:
    pid = killed_with_calls(life, tmp_path)
    second = life(
        "pool = parsl.ThreadPoolExecutor\n"
        "class Broken(pool):\n"
        "    def start(self): raise OSError('broken')\n"
        "kept = HighThroughputExecutor(label='kept', max_workers_per_node=2)\n"
        "parsl.load(Config(executors=[kept, Broken()], linger=60))"
    )
    assert second.ends() == 1
    assert "OSError: broken" in second.stderr
    third = life("load(); calls = [once(i) for i in range(1, 5)]; say('called'); [c.result() for c in calls]")
    third.said("called")
    (tmp_path / "gate").touch()
    assert third.ends() == 0, third.stderr
    assert "another life" in third.stderr
    assert began(tmp_path) == [1, 2, 3, 4]
    eventually(lambda: not alive(pid), "it has ended")


def test_each_life_has_numbers_of_its_own_and_says_how_long_to_stay(life: Life, tmp_path: Path) -> None:
    from parsl_on_dask.linger.reattach import knock

    killed_with_calls(life, tmp_path)
    firsts = []
    for linger in (50, 70):
        connection, answer = knock(record_of(tmp_path), pid=os.getpid(), linger=linger)
        firsts.append(answer["first"])
        connection.close()
        eventually(lambda: _asked(record_of(tmp_path))["attached"] is None, "what stays has noticed")
        eventually(lambda: record_of(tmp_path)["linger"] == linger, "it stays for as long as that life says")  # noqa: B023
    assert 0 < firsts[0] < firsts[1]


def test_a_script_that_has_died_is_not_in_the_way_of_the_next(life: Life, tmp_path: Path) -> None:
    from parsl_on_dask.linger.reattach import knock

    killed_with_calls(life, tmp_path)
    other = subprocess.Popen(["sleep", "600"])
    connection, answer = knock(record_of(tmp_path), pid=other.pid, linger=60)
    refused = knock(record_of(tmp_path), pid=os.getpid(), linger=60)[1]
    eventually(lambda: _asked(record_of(tmp_path))["attached"] == other.pid, "it is let in")
    other.kill()
    other.wait()
    with connection:  # which somebody else still holds, as a child that was forked would
        assert knock(record_of(tmp_path), pid=os.getpid(), linger=60)[1].get("welcome")
    assert (answer["welcome"], refused["pid"]) == (True, other.pid)


def test_an_executor_that_is_being_started_when_all_ends_is_ended_too(life: Life, tmp_path: Path) -> None:
    only = life(
        "class Slow(HighThroughputExecutor):\n"
        "    def start(self):\n"
        "        open(gate + '-starting', 'w').close()\n"
        "        while not os.path.exists(gate): time.sleep(0.01)\n"
        "        super().start()\n"
        "parsl.load(Config(executors=[Slow(label='kept', max_workers_per_node=1)], linger=60))"
    )
    eventually((tmp_path / "gate-starting").exists, "it is being started")
    pid = record_of(tmp_path)["process"][0]
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not (tmp_path / "runinfo/000/resident.json").exists(), "it is ending")
    (tmp_path / "gate").touch()
    assert only.ends() == 1
    only.leaves_nothing()


def test_the_folder_for_temporary_files_may_have_a_long_path(life: Life, tmp_path: Path) -> None:
    long = tmp_path / ("long" * 40)
    long.mkdir()
    only = life(f"os.environ['TMPDIR'] = {str(long)!r}; load(); say(once(0).result())")
    assert only.ends() == 0, only.stderr


def test_what_stays_ends_when_its_time_is_up(life: Life, tmp_path: Path) -> None:
    first = life("load(linger=1); call = once(0); call.result(); os.kill(os.getpid(), signal.SIGKILL)")
    first.ends()
    first.leaves_nothing()
    assert not (tmp_path / "runinfo/000/resident.json").exists()
    second = life("load(linger=1); say(once(0).result())")  # from what was recorded
    assert second.ends() == 0, second.stderr
    assert began(tmp_path) == [0]


def test_what_stays_ends_with_its_run_directory(life: Life, tmp_path: Path) -> None:
    pid = killed_with_calls(life, tmp_path)
    shutil.rmtree(tmp_path / "runinfo", ignore_errors=True)
    eventually(lambda: not alive(pid), "it has ended")


def test_a_script_hears_that_its_run_directory_was_removed(life: Life, tmp_path: Path) -> None:
    only = life("load(initialize_logging=False); call = once(1); say('called'); say(repr(call.exception()))")
    only.said("called")
    eventually(lambda: began(tmp_path), "it runs")
    shutil.rmtree(tmp_path / "runinfo", ignore_errors=True)
    assert only.ends() == 0, only.stderr
    assert "has ended, since its run directory was removed or moved: " in only.stdout
    (tmp_path / "gate").touch()
    only.leaves_nothing()
    assert not list((tmp_path / "state").rglob("*.json"))


def _command(tmp_path: Path, *words: str) -> str:
    done = interpreters.run(
        [sys.executable, "-m", "parsl_on_dask", *words],
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return str(done.stdout + done.stderr)


def test_ps_shows_what_stays_and_stop_ends_it(life: Life, tmp_path: Path) -> None:
    pid = killed_with_calls(life, tmp_path)
    eventually(lambda: "0 of 4" in _command(tmp_path, "ps"), "its progress is shown")
    shown = _command(tmp_path, "ps")
    assert "script-" in shown
    assert "stays" in shown
    assert "1 running" in shown
    _command(tmp_path, "stop")
    assert not alive(pid)
    assert "stays" not in _command(tmp_path, "ps", "--all")


def test_the_command_line_says_what_stays(life: Life, tmp_path: Path) -> None:
    (tmp_path / "given.py").write_text(HEAD + "load(linger=None)\nonce(0).result()\nos.kill(os.getpid(), 9)\n")
    _command(tmp_path, "--linger", "1m", "given.py")
    assert record_of(tmp_path)["linger"] == 60.0
    assert "stays" in _command(tmp_path, "ps")
    _command(tmp_path, "stop")


@pytest.mark.extended
@pytest.mark.parametrize("at_once", [False, True])
def test_a_notebook_goes_on_when_its_kernel_is_restarted(at_once: bool, life: Life, tmp_path: Path) -> None:
    manager = pytest.importorskip("jupyter_client.manager").KernelManager(kernel_name="python3")
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "JPY_SESSION_NAME": str(tmp_path / "my.ipynb")}
    manager.start_kernel(cwd=str(tmp_path), env=env)
    client = manager.client()
    client.start_channels()

    def cell(code: str) -> str:
        said: list[str] = []
        client.execute_interactive(
            code, timeout=60, output_hook=lambda m: said.append(str(m["content"].get("text", m["content"])))
        )
        return "".join(said)

    try:
        client.wait_for_ready(60)
        cell(HEAD + "load()\ncalls = [once(i) for i in range(1, 5)]")
        eventually(lambda: len(began(tmp_path)) == 2, "two calls run")
        manager.restart_kernel(now=at_once)
        client.wait_for_ready(60)
        assert "another life of run" in cell(HEAD + "load()\ncalls = [once(i) for i in range(1, 5)]")
        (tmp_path / "gate").touch()
        assert "[1, 4, 9, 16]" in cell("print([call.result() for call in calls])")
        cell("parsl.clear()")
    finally:
        manager.shutdown_kernel(now=True)
        client.stop_channels()
    assert began(tmp_path) == [1, 2, 3, 4]
    eventually(lambda: not (tmp_path / "runinfo/000/resident.json").exists(), "nothing stays")


def test_only_its_owner_can_read_the_key(life: Life, tmp_path: Path) -> None:
    killed_with_calls(life, tmp_path)
    record = record_of(tmp_path)
    assert (tmp_path / "runinfo/000/resident.json").stat().st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(record["socket"])).st_mode & 0o777 == 0o700
    from parsl_on_dask.linger.reattach import knock

    assert knock({**record, "token": "x" * 32}, pid=1)[1] == {"refused": "the key is wrong"}


def test_a_script_that_dies_before_its_resident_is_there_leaves_nothing(life: Life, tmp_path: Path) -> None:
    only = life(
        "from parsl_on_dask.linger.reattach import subprocess\n"
        "start = subprocess.Popen\n"
        "def dying(*args, **options):\n"
        "    start(*args, **options)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "subprocess.Popen = dying\n"
        "load()"
    )
    only.ends()
    only.leaves_nothing()
    assert not (tmp_path / "runinfo/000/resident.json").exists()


def test_a_call_fails_when_the_resident_has_gone(life: Life, tmp_path: Path) -> None:
    only = life("load(); call = once(1); say('called'); say(repr(call.exception())[:60])")
    only.said("called")
    eventually(lambda: began(tmp_path), "it runs")
    os.kill(record_of(tmp_path)["process"][0], signal.SIGKILL)
    assert only.ends() == 0, only.stderr
    assert "ResidentGone('the process that keeps the executors" in only.stdout
    (tmp_path / "gate").touch()
    only.leaves_nothing()


def test_workers_that_die_while_nobody_is_here_are_replaced(life: Life, tmp_path: Path) -> None:
    killed_with_calls(life, tmp_path)
    for worker in began(tmp_path, "workers"):
        os.kill(worker, signal.SIGKILL)
    second = life("load(retries=2); calls = [once(i) for i in range(1, 5)]; say('called'); [c.result() for c in calls]")
    second.said("called")
    (tmp_path / "gate").touch()
    assert second.ends() == 0, second.stderr


@pytest.mark.extended
def test_a_cluster_that_broke_down_while_nobody_was_here_is_started_again(life: Life, tmp_path: Path) -> None:
    pid = killed_with_calls(life, tmp_path, fresh=True)
    for process in psutil.Process(pid).children(recursive=True):
        process.kill()
    record = record_of(tmp_path)
    eventually(lambda: not _asked(record)["calls"], "its calls have failed")
    (tmp_path / "gate").touch()
    second = life("load(); say([once(i).result() for i in range(1, 5)])")
    assert second.ends() == 0, second.stderr
    assert "[1, 4, 9, 16]" in second.stdout


def test_a_large_value_stays_on_its_worker_and_is_found_again(life: Life, tmp_path: Path) -> None:
    text = """
@python_app(cache=True)
def large():
    with open(f"{gate}-large", "a") as file:
        file.write("1\\n")
    return bytes(20_000_000)

@python_app
def size(value):
    return len(value)

load()
value = large()
say(size(value).result())
"""
    first = life(text + "os.kill(os.getpid(), signal.SIGKILL)")
    first.ends()
    second = life(text + "say(len(value.result()))")
    assert second.ends() == 0, second.stderr
    assert second.stdout.split() == ["20000000", "20000000"]
    assert began(tmp_path, "large") == [1]


def test_a_large_value_of_one_executor_is_heard_by_another(life: Life, tmp_path: Path) -> None:
    text = """
@python_app(cache=True)
def large(gate=gate):
    open(gate + "-began", "w").close()
    while not os.path.exists(gate):
        time.sleep(0.01)
    return bytes(200_000)

kept = [HighThroughputExecutor(label=label, max_workers_per_node=1) for label in ("one", "other")]
parsl.load(Config(executors=[HERE], linger=60))
value = large()
say("called")
say(len(value.result()))
"""
    first = life(text.replace("HERE", "kept[0]"))
    eventually((tmp_path / "gate-began").exists, "it runs")
    first.process.kill()
    first.process.wait()
    second = life(text.replace("HERE", "kept[1]"))
    second.said("called")
    (tmp_path / "gate").touch()
    assert second.ends() == 0, second.stderr
    assert second.stdout.split() == ["called", "200000"]


def test_a_large_value_is_recorded_before_its_worker_ends(life: Life, tmp_path: Path) -> None:
    text = """
@python_app(cache=True)
def large():
    with open(f"{gate}-large", "a") as file:
        file.write("1\\n")
    return bytes(60_000_000)

load()
large().exception()
parsl.clear()
"""
    for _ in range(2):
        assert life(text).ends() == 0
    assert began(tmp_path, "large") == [1]


def test_a_call_can_be_ended(life: Life, tmp_path: Path) -> None:
    only = life(
        "load(workers=1); calls = [once(1), once(2)]; say('called')\n"
        "while not os.path.exists(gate + '-began'): time.sleep(0.01)\n"
        "for call in reversed(calls): say(call.kill())\n"
        "for call in calls: say(type(call.exception()).__name__)"
    )
    assert only.ends() == 0, only.stderr
    assert only.stdout.split()[1:] == ["True", "True", "AppKilled", "AppKilled"]


def test_an_executor_alone_may_stay(life: Life, tmp_path: Path) -> None:
    text = """
from parsl_on_dask.executors import ThreadPoolExecutor
parsl.load(Config(executors=[HighThroughputExecutor(label="kept", max_workers_per_node=1, linger=60),
                             ThreadPoolExecutor(label="pool")]))
say(sorted(label for label, e in parsl.dfk().executors.items() if getattr(e.lane, "kept", False)))
"""
    only = life(text)
    assert only.ends() == 0, only.stderr
    assert only.stdout.strip() == "['kept']"


def test_the_nearest_word_counts() -> None:
    from parsl_on_dask.linger.reattach import seconds_of, stays

    one, none = HighThroughputExecutor(label="one", linger=60), HighThroughputExecutor(label="none", linger=0)
    plain = HighThroughputExecutor(label="plain")
    assert [stays(executor, 1800) for executor in (one, none, plain)] == [True, False, True]
    assert [stays(executor, 0) for executor in (one, none, plain)] == [True, False, False]
    assert seconds_of(Config(executors=[plain], linger=0), 1800) == 1800
    assert seconds_of(Config(executors=[plain], linger=1800), 0) is None


@pytest.mark.extended
def test_on_the_cluster_of_a_client(life: Life, tmp_path: Path, existing_cluster: str) -> None:
    text = f"""
from distributed import Client
from parsl_on_dask.executors import DaskExecutor
client = Client({existing_cluster!r})
parsl.load(Config(executors=[DaskExecutor(client=client)], linger=60))
say(once(0).result())
"""
    first = life(text + "os.kill(os.getpid(), signal.SIGKILL)")
    first.ends()
    second = life(text)
    assert second.ends() == 0, second.stderr
    assert "another life" in second.stderr
    assert began(tmp_path) == [0]


def test_what_ends_with_the_script_is_refused(tmp_path: Path) -> None:
    from parsl_on_dask import DataFlowKernel

    with pytest.raises(ConfigurationError, match="runs its calls in threads of this process"):
        DataFlowKernel(Config(executors=[ThreadPoolExecutor()], linger=60, run_dir=str(tmp_path)))
    with pytest.raises(ConfigurationError, match="at_least|0|negative"):
        HighThroughputExecutor(linger=-1).validate()
    cluster = type("Cluster", (), {"scheduler_address": "tcp://127.0.0.1:1", "scale": None})()
    with pytest.raises(ConfigurationError, match="cluster= is an object of this process"):
        DataFlowKernel(Config(executors=[DaskExecutor(cluster=cluster, linger=60)], run_dir=str(tmp_path)))


def test_monitoring_shows_one_run_with_two_lives(life: Life, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    text = """
from parsl_on_dask.monitoring import MonitoringHub
@python_app
def quick(): pass

load(monitoring=MonitoringHub(resource_monitoring_enabled=False), retries=1)
once(0).result()
others = [quick(), python_app(int)("no number")]
"""
    calls = "calls = [once(i) for i in range(1, 4)]; say('called'); "
    first = life(text + "[o.exception() for o in others]; " + calls + "time.sleep(60)")
    first.said("called")
    eventually(lambda: len(began(tmp_path)) == 3, "two calls run")
    first.process.kill()
    first.process.wait()
    second = life(text + calls + "[c.exception() for c in calls + others]")
    second.said("called")
    (tmp_path / "gate").touch()
    assert second.ends() == 0, second.stderr
    with sqlite3.connect(tmp_path / "runinfo/monitoring.db") as database:
        [run] = database.execute(
            "SELECT time_completed IS NULL, tasks_completed_count, tasks_failed_count FROM workflow"
        ).fetchall()
        tasks = database.execute("SELECT task_id FROM task WHERE task_time_returned IS NULL").fetchall()
        states = database.execute("SELECT task_status_name FROM status WHERE task_id = 1").fetchall()
    assert run == (0, 5, 1)
    assert not tasks
    assert ("exec_done",) in states
