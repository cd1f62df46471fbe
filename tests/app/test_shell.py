"""Commands of bash apps, as a worker runs them."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from parsl_on_dask.data_provider.files import File
from parsl_on_dask.lanes.failures import from_failure
from parsl_on_dask.remote import shell
from parsl_on_dask.remote.errors import Failure
from parsl_on_dask.remote.reaper import REAPER
from parsl_on_dask.remote.shell import run_bash
from parsl_on_dask.remote.walltime import timeout
from tests import interpreters


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    REAPER.close()


def run(command: Any, **kwargs: Any) -> int:
    def my_app(**kwargs: Any) -> Any:
        return command

    return run_bash(my_app, **kwargs)


def failure(call: Callable[[], Any]) -> Failure:
    with pytest.raises(Failure) as caught:
        call()
    return caught.value


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids(path: str) -> list[int]:
    assert eventually(lambda: os.path.exists(path) and Path(path).read_text().count("\n") >= 2)
    return [int(word) for word in Path(path).read_text().split()]


class TestCommandLine:
    def test_the_function_makes_it_from_the_arguments(self) -> None:
        def my_app(x: int, y: int, stdout: str) -> str:
            return f"echo $(({x} + {y})) {stdout}"

        assert run_bash(my_app, 1, y=2, stdout="out") == 0
        assert Path("out").read_text() == "3 out\n"

    def test_bash_in_the_current_directory(self, tmp_path: Path) -> None:
        run("[[ -n $BASH_VERSION ]] && echo $PWD $0", stdout="out")
        assert Path("out").read_text().split() == [str(tmp_path), "/bin/bash"]

    @pytest.mark.parametrize("command", [None, 3, b"ls", ["ls"]])
    def test_something_else_than_a_str(self, command: Any) -> None:
        text = f"Expected a str for bash_app commandline, got {type(command)}"
        with pytest.raises(ValueError) as caught:
            run(command)
        assert str(caught.value).startswith(text) and "'my_app'" in str(caught.value)

    def test_a_function_that_fails(self) -> None:
        def no_such_attribute() -> str:
            return (1).x  # type: ignore[attr-defined, no-any-return]

        def no_such_item() -> str:
            return ["ls"][1]

        def no_such_key() -> str:
            return {"a": "ls"}["x"]

        e = failure(lambda: run_bash(no_such_attribute))
        assert e.kind == "BashAppNoReturn" and isinstance(e.__cause__, AttributeError)
        assert e.args[1].startswith("Bash app 'no_such_attribute' did not return a value, or returned None")
        e = failure(lambda: run_bash(no_such_item))
        assert e.kind == "AppBadFormatting" and isinstance(e.__cause__, IndexError)
        assert e.args[1].startswith("App formatting failed for app 'no_such_item' with IndexError: ")
        with pytest.raises(KeyError):
            run_bash(no_such_key)

    def test_it_travels(self) -> None:
        assert pickle.loads(pickle.dumps(partial(run_bash))).func is run_bash


class TestExitCode:
    @pytest.mark.parametrize(("command", "code"), [("exit 3", 3), ("nosuchcommand 2>/dev/null", 127)])
    def test_other_than_zero(self, command: str, code: int) -> None:
        e = failure(lambda: run(command))
        assert e.args == ("BashExitFailure", "my_app", code)
        assert str(from_failure(e, "app")) == f"bash_app my_app failed with unix exit code {code}"

    def test_ended_by_a_signal(self) -> None:
        assert failure(lambda: run("kill -9 $$")).args[2] == -9
        assert failure(lambda: run("(kill -9 $BASHPID); exit $?")).args[2] == 137

    def test_a_command_that_cannot_start(self) -> None:
        e = failure(lambda: run("echo \0"))
        assert e.kind == "AppException" and "my_app" in e.args[1] and isinstance(e.__cause__, ValueError)


class TestStreams:
    def test_a_path_appends(self) -> None:
        for _ in range(2):
            run("echo out; echo err >&2", stdout="d/e/out", stderr=Path("err"))
        assert Path("d/e/out").read_text() == "out\nout\n"
        block = "--> executable follows <--\necho out; echo err >&2\n--> end executable <--\nerr\n"
        assert Path("err").read_text() == block * 2

    def test_a_tuple_has_a_mode(self) -> None:
        for _ in range(2):
            run("echo out; echo err >&2", stdout=("out", "w"), stderr=(Path("err"), "wb"))
        assert Path("out").read_text() == "out\n"
        assert Path("err").read_text().count("executable follows") == 1

    def test_a_file_is_overwritten(self) -> None:
        for _ in range(2):
            run("echo out", stdout=File("out"))
        assert Path("out").read_text() == "out\n"

    def test_one_file_for_both(self) -> None:
        run("echo out; echo err >&2", stdout="both", stderr="both")
        assert Path("both").read_text().splitlines()[-2:] == ["out", "err"]

    def test_any_text(self) -> None:
        run("echo '\udcff\u00e9'", stderr="err", stdout="out")
        assert Path("out").read_bytes() == b"\xff\xc3\xa9\n"

    @pytest.mark.parametrize("which", ["stdout", "stderr"])
    @pytest.mark.parametrize(
        "spec", [["a", "w"], ("a", None), (42, "w"), ("a", "w", 42), ("a",), 42, b"a"], ids=lambda s: repr(s)
    )
    def test_wrong_shapes(self, which: str, spec: Any) -> None:
        e = failure(lambda: run("true", **{which: spec}))
        assert e.kind == "BadStdStreamSpec"
        assert e.args[1].startswith(f"{which} of app my_app must be a path") and repr(spec) in e.args[1]

    def test_what_cannot_be_opened(self) -> None:
        e = failure(lambda: run("true", stdout=("out", "badmode")))
        assert e.args == ("BadStdStreamFile", "out") and isinstance(e.__cause__, ValueError)
        Path("plain").write_text("")
        e = failure(lambda: run("true", stderr="plain/err"))
        assert e.kind == "BadStdStreamFile" and isinstance(e.__cause__, OSError)
        assert str(from_failure(e, "app")) == "Bad Stream File: plain/err"
        e = failure(lambda: run("true", stdout=File("https://example.org/out")))
        assert e.kind == "BadStdStreamFile" and "No local_path set" in e.args[1]

    def test_the_command_does_not_run_without_its_files(self) -> None:
        failure(lambda: run("touch ran", stderr=("err", "r")))
        assert not Path("ran").exists()


class TestOutputs:
    def test_all_there(self) -> None:
        assert run("touch a b", outputs=[File("a"), File("b")]) == 0
        assert run("true", outputs=None) == run("true", outputs=()) == 0

    def test_missing(self) -> None:
        there, missing = File("a"), File("b")
        e = failure(lambda: run("touch a", outputs=[there, missing]))
        assert e.args == ("MissingOutputs", "Missing outputs from app my_app", [missing])
        shown = str(from_failure(e, "app"))
        assert shown.startswith("Missing Outputs: [<File") and shown.endswith("Reason: Missing outputs from app my_app")

    def test_the_exit_code_comes_first(self) -> None:
        assert failure(lambda: run("exit 1", outputs=[File("a")])).kind == "BashExitFailure"


class TestWalltime:
    TREE = "sleep 300 & echo $! >> pids; echo $$ >> pids; wait"

    def test_the_whole_group_ends(self) -> None:
        began = time.monotonic()
        e = failure(lambda: run(self.TREE, walltime=0.3))
        assert time.monotonic() - began >= 0.3
        assert e.args == ("AppTimeout", "my_app", 0.3)
        assert str(from_failure(e, "app")) == "App my_app exceeded walltime: 0.3 seconds"
        assert not any(alive(pid) for pid in pids("pids"))

    def test_it_may_tidy_up(self) -> None:
        failure(lambda: run("trap 'echo tidy > tidy; exit' TERM; sleep 300 & wait", walltime=0.2))
        assert Path("tidy").read_text() == "tidy\n"

    def test_deaf_to_sigterm(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shell, "GRACE", 0.2)
        failure(lambda: run("trap '' TERM; " + self.TREE, walltime=0.2))
        assert eventually(lambda: not any(alive(pid) for pid in pids("pids")))

    def test_in_time(self) -> None:
        assert run("sleep 0.05", walltime=30) == 0
        assert run("true", walltime=None) == 0
        assert failure(lambda: run("exit 2", walltime=30)).kind == "BashExitFailure"

    def test_no_number(self) -> None:
        with pytest.raises(TypeError, match="walltime of app my_app must be a number of seconds, got '60'"):
            run("touch ran", walltime="60")
        assert not Path("ran").exists()

    def test_without_pidfd(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
        assert run("sleep 0.05", walltime=30) == 0
        assert failure(lambda: run(self.TREE, walltime=0.2)).kind == "AppTimeout"
        assert not any(alive(pid) for pid in pids("pids"))


class TestNothingStaysBehind:
    def test_an_interrupted_thread(self) -> None:
        seen: list[BaseException] = []

        def work() -> None:
            try:
                timeout(run, 0.5)(TestWalltime.TREE)
            except BaseException as e:
                seen.append(e)

        thread = threading.Thread(target=work)
        thread.start()
        tree = pids("pids")
        thread.join(timeout=10)
        assert isinstance(seen[0], Failure) and seen[0].kind == "AppTimeout"
        assert not any(alive(pid) for pid in tree)

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
    def test_a_killed_worker(self, how: int) -> None:
        with _worker() as process:
            tree = pids("pids")
            assert all(alive(pid) for pid in tree)
            process.send_signal(how)
            process.wait()
            assert eventually(lambda: not any(alive(pid) for pid in tree))

    def test_the_end_of_the_interpreter(self) -> None:
        with _worker("time.sleep(1)"):
            tree = pids("pids")
            assert eventually(lambda: not any(alive(pid) for pid in tree))

    def test_a_fork_does_not_keep_commands_alive(self) -> None:
        with _worker("time.sleep(0.5); os.fork() or time.sleep(8)") as process:
            tree = pids("pids")
            time.sleep(0.8)
            process.kill()
            process.wait()
            assert eventually(lambda: not any(alive(pid) for pid in tree), 5)

    def test_what_a_command_leaves_in_the_background_may_stay(self) -> None:
        run("sleep 300 > /dev/null & echo $! > pids; echo >> pids")
        (pid,) = pids("pids")
        REAPER.close()
        assert alive(pid)
        os.kill(pid, signal.SIGTERM)

    def test_the_guard_leaves_when_there_is_nothing_to_guard(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("parsl_on_dask.remote.reaper.LINGER", 0.1)
        run("true")
        assert REAPER._process is not None
        guard = REAPER._process
        assert eventually(lambda: REAPER._process is None and guard.poll() is not None)
        assert run("true") == 0

    def test_a_guard_that_was_killed(self) -> None:
        run("true")
        assert REAPER._process is not None
        REAPER._process.kill()
        REAPER._process.wait()
        assert run("true") == 0
        assert REAPER._process is not None and REAPER._process.poll() is None

    def test_many_at_once(self) -> None:
        codes: list[int] = []
        threads = [threading.Thread(target=lambda: codes.append(run("sleep 0.1"))) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert codes == [0] * 20
        assert not REAPER._groups

    def test_files_are_closed(self) -> None:
        process = psutil.Process()
        run("true", stdout="out", stderr="err")
        before = process.num_fds()
        for _ in range(5):
            run("true", stdout="out", stderr="err")
            failure(lambda: run("sleep 9", walltime=0.01, stdout="out"))
            failure(lambda: run("true", stdout="out", stderr=("err", "bad")))
        assert process.num_fds() <= before


def _worker(afterwards: str = "time.sleep(60)") -> subprocess.Popen[bytes]:
    script = (
        "import os, sys, threading, time\n"
        "from parsl_on_dask.remote.shell import run_bash\n"
        f"threading.Thread(target=run_bash, args=(lambda: {TestWalltime.TREE!r},), daemon=True).start()\n"
        f"{afterwards}\n"
    )
    return interpreters.Popen([sys.executable, "-c", script])
