"""Bash apps: commands, streams, walltime, what goes wrong."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import bash_app
from parsl_on_dask.app.errors import (
    AppBadFormatting,
    AppException,
    AppTimeout,
    BadStdStreamFile,
    BashAppNoReturn,
    BashExitFailure,
    MissingOutputs,
)
from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.data_provider.files import File
from tests.helpers import WAIT, alive, eventually, text_of

pytestmark = pytest.mark.usefixtures("kernel")


@bash_app
def run(command: str, stdout: Any = None, stderr: Any = None, inputs: Any = (), outputs: Any = ()) -> str:
    return command


@bash_app
def limited(command: str, walltime: Any = None) -> str:
    return command


def test_result_is_zero_and_the_shell_is_bash(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = 'words=(one two three)\nfor w in "${words[@]}"; do\n  [[ $w == t* ]] && echo "$w"\ndone\ntrue'
    assert run(script, stdout=str(out)).result(WAIT) == 0
    assert out.read_text() == "two\nthree\n"


def test_a_string_appends_and_a_tuple_sets_the_mode(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for word in ("first", "second"):
        run(f"echo {word}", stdout=str(out)).result(WAIT)
    assert out.read_text() == "first\nsecond\n"
    run("echo third", stdout=(str(out), "w")).result(WAIT)
    assert out.read_text() == "third\n"
    run("echo fourth", stdout=(str(out), "a")).result(WAIT)
    assert out.read_text() == "third\nfourth\n"


def test_a_path_object_and_missing_directories(tmp_path: Path) -> None:
    out, err = tmp_path / "new" / "folder" / "out", tmp_path / "other" / "err"
    future = run("echo text; echo trouble >&2", stdout=out, stderr=err)
    assert future.stdout == out and future.stderr == err
    future.result(WAIT)
    assert out.read_text() == "text\n"
    assert "trouble\n" in err.read_text()


def test_a_file_gives_a_datafuture(tmp_path: Path) -> None:
    future = run("echo text", stdout=File(str(tmp_path / "out")))
    assert isinstance(future.stdout, DataFuture)
    assert Path(future.stdout.result(WAIT)).read_text() == "text\n"


def test_the_same_file_for_both_streams(tmp_path: Path) -> None:
    both = tmp_path / "both"
    run("echo one; echo two >&2; echo three", stdout=str(both), stderr=str(both)).result(WAIT)
    words = ["one", "two", "three"]
    assert [line for line in both.read_text().splitlines() if line in words] == words


def test_stderr_begins_with_the_command(tmp_path: Path) -> None:
    err = tmp_path / "err"
    run("echo oops >&2", stderr=str(err)).result(WAIT)
    lines = err.read_text().splitlines()
    assert lines[0].startswith("--> executable follows <--")
    assert lines[1] == "echo oops >&2"
    assert lines[2].startswith("--> end executable <--")
    assert lines[3:] == ["oops"]


def test_auto_lognames(kernel: Any) -> None:
    future = run("echo out; echo err >&2", stdout=parsl.AUTO_LOGNAME, stderr=parsl.AUTO_LOGNAME)
    folder = Path(kernel.run_dir) / "task_logs" / "0000"
    stem = f"task_{future.tid:04d}_run"
    assert future.stdout == str(folder / f"{stem}.stdout")
    assert future.stderr == str(folder / f"{stem}.stderr")
    future.result(WAIT)
    assert text_of(future.stdout) == "out\n"
    assert text_of(future.stderr).endswith("err\n")


def test_a_label_goes_into_automatic_names() -> None:
    @bash_app
    def labelled(label: str = "", stdout: Any = parsl.AUTO_LOGNAME) -> str:
        return "echo x"

    future = labelled(label="blue")
    future.result(WAIT)
    assert Path(future.stdout).name == f"task_{future.tid:04d}_labelled_blue.stdout"
    assert text_of(future.stdout) == "x\n"


def test_no_streams_given() -> None:
    future = run("true")
    assert future.result(WAIT) == 0
    assert future.stdout is None and future.stderr is None


def test_exit_code() -> None:
    with pytest.raises(BashExitFailure) as caught:
        run("exit 7").result(WAIT)
    assert caught.value.exitcode == 7
    assert caught.value.app_name == "run"
    assert str(caught.value) == "bash_app run failed with unix exit code 7"
    assert isinstance(caught.value, AppException)


def test_command_not_found() -> None:
    with pytest.raises(BashExitFailure) as caught:
        run("no_such_command_anywhere 2> /dev/null").result(WAIT)
    assert caught.value.exitcode == 127


def test_killed_by_a_signal() -> None:
    with pytest.raises(BashExitFailure) as caught:
        run("kill -TERM $$").result(WAIT)
    assert caught.value.exitcode in (-15, 143)


@pytest.mark.parametrize(
    "body, expected, text",
    [
        (lambda: 5, ValueError, "Expected a str for bash_app commandline, got <class 'int'>"),
        (lambda: None, ValueError, "Expected a str for bash_app commandline, got <class 'NoneType'>"),
        (lambda: [][1], AppBadFormatting, ""),
        (lambda: None.split(), BashAppNoReturn, ""),  # type: ignore[attr-defined]
        (lambda: {}["missing"], KeyError, "missing"),
        (lambda: 1 // 0, ZeroDivisionError, ""),
    ],
    ids=["int", "None", "IndexError", "AttributeError", "KeyError", "ZeroDivisionError"],
)
def test_the_function_that_makes_the_command_fails(body: Any, expected: type[Exception], text: str) -> None:
    with pytest.raises(expected) as caught:
        bash_app(body)().result(WAIT)
    assert text in str(caught.value)


def test_a_stream_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(BadStdStreamFile, match=f"Bad Stream File: {tmp_path}") as caught:
        run("true", stdout=str(tmp_path)).result(WAIT)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("spec", [("only one",), ("a", "b", "c"), 5, (1, "w")], ids=repr)
def test_a_stream_of_the_wrong_shape_shows_in_the_future(spec: Any) -> None:
    future = run("true", stdout=spec)
    assert future.exception(WAIT) is not None


def test_a_stream_mode_that_does_not_exist(tmp_path: Path) -> None:
    assert isinstance(run("true", stdout=(str(tmp_path / "x"), "bogus")).exception(WAIT), Exception)


def test_missing_outputs(tmp_path: Path) -> None:
    there, missing = File(str(tmp_path / "there")), File(str(tmp_path / "missing"))
    future = run(f"touch {there}", outputs=[there, missing])
    with pytest.raises(MissingOutputs, match="Missing outputs from app run") as caught:
        future.result(WAIT)
    assert [str(o) for o in caught.value.outputs] == [str(tmp_path / "missing")]
    assert future.outputs[1].exception(WAIT) is not None


def test_outputs_are_not_looked_at_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(BashExitFailure):
        run("exit 3", outputs=[File(str(tmp_path / "missing"))]).result(WAIT)


def test_the_function_runs_on_the_worker(tmp_path: Path, config_name: str) -> None:
    @bash_app
    def who(stdout: Any = None) -> str:
        import os

        return f"echo {os.getpid()} $PPID"

    out = tmp_path / "out"
    who(stdout=str(out)).result(WAIT)
    function_pid, parent_pid = (int(x) for x in out.read_text().split())
    assert (function_pid == os.getpid()) == (config_name == "threads")
    assert function_pid == parent_pid


def test_processes_work_in_the_submit_directory(tmp_path: Path, config_name: str) -> None:
    out = tmp_path / "out"
    run("pwd", stdout=str(out)).result(WAIT)
    if config_name == "existing":
        assert out.read_text().strip() != os.getcwd()
    else:
        assert out.read_text().strip() == os.getcwd()


def test_a_large_output(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("head -c 3000000 /dev/zero", stdout=str(out)).result(WAIT)
    assert out.stat().st_size == 3_000_000


def test_walltime_ends_the_whole_process_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = f"sleep 301 & echo $! >> {pids}; (sleep 302 & echo $! >> {pids}; wait) & echo $$ >> {pids}; wait"
    with pytest.raises(AppTimeout, match="App limited exceeded walltime: 2 seconds"):
        limited(command, walltime=2).result(WAIT)
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 3
    eventually(lambda: not any(alive(pid) for pid in started), "the command and its children are gone")


def test_walltime_ends_a_command_that_ignores_sigterm(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(AppTimeout):
        limited(f"trap '' TERM; echo $$ > {pids}; while true; do sleep 0.2; done", walltime=1.5).result(WAIT)
    eventually(lambda: not alive(int(pids.read_text())), "the stubborn command is gone")


def test_walltime_that_is_not_reached() -> None:
    assert limited("sleep 0.1", walltime=30).result(WAIT) == 0


def test_walltime_as_a_default() -> None:
    @bash_app
    def by_default(walltime: float = 0.5) -> str:
        return "sleep 303"

    with pytest.raises(AppTimeout, match="App by_default exceeded walltime: 0.5 seconds"):
        by_default().result(WAIT)


def test_a_command_that_leaves_a_background_process_does_not_wait_for_it(tmp_path: Path) -> None:
    """Parsl waits for the shell, not for what the shell left behind."""
    pid = tmp_path / "pid"
    out = tmp_path / "out"
    assert run(f"sleep 304 & echo $! > {pid}; echo done", stdout=str(out)).result(WAIT) == 0
    assert out.read_text() == "done\n"
    os.kill(int(pid.read_text()), 9)


def test_environment_of_the_command(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("echo $(uname -n)", stdout=str(out)).result(WAIT)
    assert out.read_text().strip() == platform.node()
