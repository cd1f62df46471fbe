"""`run --detach`: the script goes on without the terminal, and `ps`, `logs`, `attach`, `stop` and `wait` find it."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from parsl_on_dask.common import run_records
from parsl_on_dask.common.processes_here import process_of, this_process
from parsl_on_dask.front_door import ends
from tests.front_door.programs import FRONT
from tests.front_door.runs import Folder
from tests.helpers import WAIT, alive, eventually


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.clear()


def test_the_shell_is_back_at_once_and_knows_the_name(folder: Folder) -> None:
    folder.held("go_on()")
    said = folder.call("run", "--detach", "script.py")
    name = said.split()[0]
    assert re.fullmatch(r"script-[0-9a-f]{4}", name)
    for command in ("attach", "logs -f", "wait", "stop"):
        assert f"python -m parsl_on_dask {command} {name}" in said
    assert folder.listed()[name]["state"] == "running"
    folder.open()
    assert folder.ends(name).returncode == 0


def test_a_run_is_the_script_with_its_arguments_output_and_exit_code(folder: Folder) -> None:
    folder.script(
        """
        import os, sys
        print("arguments", sys.argv[1:], sys.stdin.read() == "", os.getpid() == os.getsid(0))
        for n in range(3):
            print("out", n)
            print("err", n, file=sys.stderr)
        print([name for name in os.environ if name == "PARSL_ON_DASK_RUN"], flush=False)
        sys.exit(3)
        """
    )
    name = folder.detach("--dialect", "2024.12.30", "script.py", "--detach", "a b")
    folder.ends(name)
    lines = ["arguments ['--detach', 'a b'] True True", "out 0", "err 0", "out 1", "err 1", "out 2", "err 2", "[]"]
    assert folder.log(name).splitlines() == lines
    assert folder.call("logs", name).splitlines() == lines
    assert f"{name} ended with exit code 3" in folder.call("wait", name, code=3)
    row = folder.listed()[name]
    assert (row["state"], row["returncode"], row["script"]) == ("ended", 3, "script.py")
    assert (Path(row["log"]).stat().st_mode & 0o777, row["progress"]) == (0o600, None)


@pytest.mark.parametrize("words, stem", [(("-m", "package.tool", "x"), "tool"), (("-c", "print('code')"), "code")])
def test_modules_and_code(folder: Folder, words: tuple[str, ...], stem: str) -> None:
    folder.script("", "package/__init__.py")
    folder.script("import sys; print('code', *sys.argv[1:])", "package/tool.py")
    name = folder.detach(*words)
    assert name.startswith(f"{stem}-")
    assert folder.ends(name).returncode == 0
    assert folder.log(name).startswith("code")


def test_the_interpreter_has_its_options(folder: Folder) -> None:
    code = "import sys; print(sys.flags.dev_mode, sys.warnoptions[-1])"
    command = [sys.executable, "-X", "dev", "-Werror::FutureWarning", *FRONT, "run", "--detach", "-c", code]
    done = subprocess.run(command, cwd=folder.path, env=folder.environment, capture_output=True, text=True)
    name = done.stdout.split()[0]
    folder.ends(name)
    assert folder.log(name) == "True error::FutureWarning\n"


def test_without_detach_the_word_run_says_nothing(folder: Folder) -> None:
    folder.script("import sys; print(sys.argv)")
    said = folder.call("--dialect", "2024.12.30", "run", "script.py", "run")
    assert said.splitlines() == ["['script.py', 'run']"]
    assert folder.listed() == {}


def test_a_killed_script_is_known_as_such(folder: Folder) -> None:
    folder.held("print('here'); go_on()")
    name = folder.detach("script.py")
    folder.says(name, "here")
    with folder.calling("wait", name) as waiting:
        os.kill(folder.pid(name), signal.SIGKILL)
        assert waiting.wait(WAIT) == 137
    assert folder.listed()[name]["text"] == "killed by SIGKILL"


def test_the_terminal_goes_and_the_script_stays(folder: Folder) -> None:
    folder.held("print('here'); go_on(); print('and still here')")
    command = f"{sys.executable} -m parsl_on_dask run --detach script.py && exec sleep 1000"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder.path)
        os.execvpe("bash", ["bash", "-c", command], folder.environment)
    said = b""
    while b"stop script-" not in said:
        said += os.read(terminal, 1000)
    name = said.decode().split()[0]
    folder.says(name, "here")
    os.close(terminal)  # which hangs up
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGHUP
    os.kill(folder.pid(name), signal.SIGHUP)
    keeper = folder.record(name).keeper
    assert keeper is not None
    os.kill(keeper[0], signal.SIGHUP)
    folder.open()
    assert folder.ends(name).returncode == 0
    assert folder.log(name).splitlines() == ["here", "and still here"]


def test_stop_is_ctrl_c_also_for_what_a_shell_started_in_the_background(folder: Folder) -> None:
    folder.held(
        """
        parsl.load()
        try:
            print("here")
            go_on()
        finally:
            parsl.clear()
            print("cleaned up")
        """
    )
    ignoring = f"trap '' INT; {sys.executable} -m parsl_on_dask run --detach script.py"
    done = subprocess.run(
        ["bash", "-c", ignoring], cwd=folder.path, env=folder.environment, text=True, capture_output=True, timeout=WAIT
    )
    name = done.stdout.split()[0]
    folder.says(name, "here")
    said = folder.call("stop", name)
    assert "interrupted, and cleans up" in said and f"{name} killed by SIGINT" in said
    assert "cleaned up" in folder.log(name)
    folder.call("wait", name, code=130)
    assert f"{name} killed by SIGINT already" in folder.call("stop", name)


def test_stop_now_ends_also_what_the_script_has_started(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.script(
        """
        import signal, subprocess, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = "import os, time; os.fork() and os._exit(0); print('child', os.getpid(), flush=True); time.sleep(1000)"
        import sys
        subprocess.run([sys.executable, "-c", code], start_new_session=True)
        time.sleep(1000)
        """
    )
    name = folder.detach("script.py")
    folder.says(name, "child")
    child = int(folder.log(name).split()[1])
    with folder.calling("stop", name) as stopping:
        assert "interrupted" in stopping.stderr.readline()  # type: ignore[union-attr]
        stopping.send_signal(signal.SIGINT)
        assert stopping.wait(WAIT) == 130
    assert alive(folder.pid(name)) and alive(child)
    monkeypatch.setattr(ends, "GRACE", 0.5)
    told: list[str] = []
    ends.end_all(folder.record(name), told.append)
    assert not alive(child) and told == ["1 processes that it has started are still there, and get SIGTERM"]
    assert folder.ends(name).returncode == -signal.SIGKILL
    assert "already" in folder.call("stop", "--now", name)


def test_stop_reaches_a_run_by_its_record_alone(folder: Folder) -> None:
    """A run on another machine is asked by its record, which its keeper reads."""
    folder.held("print('here'); go_on()")
    name = folder.detach("script.py")
    folder.says(name, "here")
    run_records.update(name, where=folder.records, request="stop")
    assert folder.ends(name).returncode == -signal.SIGINT


def test_names_that_are_short_left_out_or_wrong(folder: Folder) -> None:
    folder.held("go_on(sys.argv[1])")
    first = folder.detach("script.py", "first")
    second = folder.detach("--name", "night.ly", "script.py", "second")
    assert second == "night.ly"
    assert "night.ly, the newest run of this directory" in folder.call("logs")
    folder.open("second")
    folder.ends(second)
    assert f"{first}, the newest run of this directory" in folder.call("logs"), "of those that run"
    folder.open("first")
    assert first in folder.call("wait", first[:9], "night")
    assert "there is no run 'fit'; there are: night.ly, script-" in folder.call("stop", "fit", code=2)
    elsewhere = folder.path / "elsewhere"
    elsewhere.mkdir()
    assert "no run was started in this directory; write the name of one: night.ly, " in folder.call(
        "wait", code=2, cwd=elsewhere
    )
    assert folder.detach("--name", "night.ly", "script.py", "first") == "night.ly", "it may be used again"
    assert (folder.path / "runinfo" / "night.ly.log.1").exists()
    folder.ends("night.ly")


def test_a_name_that_is_taken(folder: Folder) -> None:
    folder.held("go_on()")
    folder.detach("--name", "one", "script.py")
    assert "a run named one is there already (running): choose another name" in folder.call(
        "run", "--detach", "--name", "one", "script.py", code=2
    )
    folder.open()
    folder.ends("one")


def test_no_place_for_the_record_or_the_log(folder: Folder) -> None:
    folder.script("pass")
    (folder.path / "state").write_text("")
    assert "let XDG_STATE_HOME name a folder" in folder.call("run", "--detach", "script.py", code=2)
    (folder.path / "state").unlink()
    (folder.path / "runinfo").rmdir()
    (folder.path / "runinfo").write_text("")
    said = folder.call("run", "--detach", "script.py", code=2)
    assert f"no folder for the log can be made at {folder.path}/runinfo" in said


@pytest.mark.parametrize(
    "words, text",
    [
        (("--detach", "missing.py"), "there is no such file"),
        (("--detach", "-"), "standard input ends with the terminal"),
        (("--name", "x", "-c", "1"), "add --detach"),
        (("--name", "a/b", "--detach", "-c", "1"), "cannot be the name of a run"),
        (("--detach", "check", "x.py"), "check is a command of this package"),
        (("--detach", "--in-job", "-c", "1"), "leave --detach out"),
        (("--linger", "soon", "-c", "1"), "write a time such as 90 (seconds), 45s, 30m or 2h"),
        (("--in-job=lurm", "-c", "1"), "Did you mean 'slurm'"),
    ],
)
def test_what_cannot_be_is_said_at_once(folder: Folder, words: tuple[str, ...], text: str) -> None:
    done = subprocess.run(
        [sys.executable, *FRONT, "run", *words], cwd=folder.path, env=folder.environment, capture_output=True, text=True
    )
    assert done.returncode in (1, 2) and text in done.stderr
    assert folder.listed() == {}


def test_logs_follow_a_run_until_it_ends(folder: Folder) -> None:
    folder.held(
        """
        print("first")
        go_on()
        sys.stderr.write("no end of a line")
        go_on("last")
        """
    )
    name = folder.detach("script.py")
    with folder.calling("logs", "-f", name) as following:
        out = following.stdout
        assert out is not None
        assert out.readline() == "first\n", "while the script waits"
        folder.open()
        assert out.read(16) == "no end of a line"
        with folder.calling("logs", "-f", name) as left:
            assert left.stdout is not None and left.stdout.readline() == "first\n"
            left.send_signal(signal.SIGINT)
            assert left.wait(WAIT) == 130
        folder.open("last")
        assert out.read() == ""
        assert following.wait(WAIT) == 0
    with folder.calling("logs", "-f", name) as again:
        assert again.stdout is not None and again.stdout.read() == "first\nno end of a line"


def test_progress_by_app_while_a_run_goes_on(folder: Folder) -> None:
    folder.held(
        """
        parsl.load()
        numbers = [quick(n) for n in (1, 2, -1)]
        gates = [held(f"gate{n}") for n in range(2)]
        print([g.result() for g in gates])
        parsl.clear()
        """
    )
    name = folder.detach("script.py")

    def apps() -> dict[str, tuple[int, int, int]]:
        far = folder.listed()[name]["progress"] or {"apps": []}
        return {a["app"]: (a["done"], a["failed"], a["total"]) for a in far["apps"]}

    eventually(lambda: apps() == {"quick": (2, 1, 3), "held": (0, 0, 2)}, "counts")
    table = folder.call("ps").splitlines()
    assert re.fullmatch(rf"{name} +running +\S+ \S+ +2, 1 failed of 5 +– +here", table[1]), table
    assert table[2:] == ["    quick: 2, 1 failed of 3", "    held: 0 of 2"]
    for n in range(2):
        folder.open(f"gate{n}")
    folder.ends(name)
    assert apps() == {"quick": (2, 1, 3), "held": (2, 0, 2)}


def test_blocks_of_a_run(folder: Folder) -> None:
    folder.held(
        """
        from parsl.config import Config
        from parsl.executors import HighThroughputExecutor
        parsl.load(Config([HighThroughputExecutor(max_workers_per_node=1)], strategy="none"))
        held("gate").result()
        parsl.clear()
        """
    )
    name = folder.detach("script.py")
    blocks = eventually(lambda: (folder.listed()[name]["progress"] or {}).get("blocks"), "a block")
    assert blocks in ({"running": 1}, {"pending": 1})
    folder.open()
    folder.ends(name)
    assert folder.listed()[name]["progress"]["blocks"] == {}


def test_only_kernels_of_the_script_itself_count_and_the_newest_of_them(folder: Folder) -> None:
    folder.script("import parsl; parsl.load(); parsl.clear(); print('grandchild')", "other.py")
    folder.held(
        """
        import multiprocessing, subprocess

        def forked():
            parsl.load()
            quick(1).result()
            parsl.clear()

        multiprocessing.get_context("fork").Process(target=forked).start()
        for process in multiprocessing.active_children():
            process.join()
        subprocess.run([sys.executable, "-m", "parsl_on_dask", "other.py"], check=True)
        for n in range(2):
            with parsl.load() as kernel:
                [quick(i).result() for i in range(n + 1)]
                print("kernel", kernel.run_dir)
        """
    )
    name = folder.detach("script.py")
    record = folder.ends(name)
    lines = folder.log(name).splitlines()
    assert record.returncode == 0 and lines[0] == "grandchild", lines
    assert record.run_dirs == [line.removeprefix("kernel ") for line in lines[1:]]
    assert len(list((folder.path / "runinfo").glob("0*"))) == 4
    [app] = folder.listed()[name]["progress"]["apps"]
    assert (app["app"], app["done"]) == ("quick", 2)
    assert len(list((folder.path / "runinfo").glob("*/progress.json"))) == 2


def test_attach_shows_progress_and_new_lines_until_the_end(folder: Folder) -> None:
    folder.held(
        """
        parsl.load()
        print("before")
        gates = [held(f"gate{n}") for n in range(2)]
        gates[0].result()
        print("meanwhile")
        gates[1].result()
        sys.exit(4)
        """
    )
    name = folder.detach("script.py")
    eventually(lambda: folder.listed()[name]["progress"], "progress")
    with folder.calling("attach", name) as attached:
        out, err = attached.stdout, attached.stderr
        assert out is not None and err is not None
        assert err.readline() == f"{name}: running; Ctrl-C leaves it\n"
        assert err.readline().startswith("parsl: 0 of 2 tasks ended: 2 running")
        folder.open("gate0")
        assert out.readline() == "meanwhile\n", "and nothing of what was before"
        folder.open("gate1")
        assert attached.wait(WAIT) == 4
        assert err.read().splitlines()[-1] == f"{name} ended with exit code 4"


def test_ctrl_c_leaves_a_run_alone(folder: Folder) -> None:
    folder.held("parsl.load(); held('gate').result(); print('done')")
    name = folder.detach("script.py")
    eventually(lambda: folder.listed()[name]["progress"], "progress")
    ours, theirs = pty.openpty()
    command = [sys.executable, *FRONT, "attach", name]
    with subprocess.Popen(
        command,
        cwd=folder.path,
        env={**folder.environment, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as attached:
        os.close(theirs)
        seen = ""
        while "of 1 tasks ended" not in seen:  # which stands below the bars
            seen += os.read(ours, 4096).decode(errors="replace")
        attached.send_signal(signal.SIGINT)
        while "goes on without you" not in seen:
            seen += os.read(ours, 4096).decode(errors="replace")
        assert attached.wait(WAIT) == 0
    os.close(ours)
    assert "━" in seen and "held" in seen
    folder.open()
    assert folder.ends(name).returncode == 0
    assert folder.log(name) == "done\n"


def test_a_keeper_that_is_killed(folder: Folder) -> None:
    folder.held("print('here'); go_on()")
    name = folder.detach("script.py")
    folder.says(name, "here")
    keeper, pid = folder.record(name).keeper, folder.pid(name)
    assert keeper is not None
    os.kill(keeper[0], signal.SIGKILL)
    eventually(lambda: not alive(keeper[0]), "it is gone")
    assert folder.listed()[name]["state"] == "running", "its script is there"
    folder.open()
    eventually(lambda: not alive(pid), "the script ends")
    assert f"{name} lost: its processes are gone" in folder.call("wait", name, code=1)


def test_a_keeper_is_small(folder: Folder) -> None:
    folder.held("go_on()")
    name = folder.detach("script.py")
    keeper = folder.record(name).keeper
    assert keeper is not None
    process = psutil.Process(keeper[0])
    files = {Path(m.path).name for m in process.memory_maps()}
    assert not any(part in file for file in files for part in ("numpy", "msgpack", "yaml", "ssl")), "no Dask"
    assert process.num_threads() == 1
    folder.open()
    folder.ends(name)


def test_what_ended_long_ago_is_shown_when_it_is_asked_for(folder: Folder) -> None:
    assert "there are no runs" in folder.call("ps")
    folder.script("pass")
    names = [folder.detach("script.py") for _ in range(2)]
    for name in names:
        folder.ends(name)
    past = time.time() - 2 * 86400
    os.utime(run_records.path_of(names[0], folder.records), (past, past))
    said = folder.call("ps")
    assert names[1] in said and names[0] not in said and "1 run ended earlier: ps --all" in said
    assert set(folder.listed("--all")) == set(names)


def test_runs_of_other_machines_and_what_stays(folder: Folder) -> None:
    folder.script("pass")
    os.makedirs(folder.records)
    gone = process_of(os.getpid())
    assert gone is not None
    there = {"where": folder.records, "process": this_process()}
    run_records.create("far", **there, host="login2", boot="x")
    run_records.create("silent", **there, host="login3", boot="x")
    past = time.time() - 10 * run_records.LOST
    os.utime(run_records.path_of("silent", folder.records), (past, past))
    run_records.create("dead", where=folder.records, returncode=-9, run_dirs=["/r/000"], ended=time.time())
    run_records.create("dead-blocks", **there, kind="stays", run_dirs=["/r/000"])
    run_records.create("other-blocks", **there, kind="stays", run_dirs=["/r/001"])
    rows = folder.listed()
    assert {name: row["state"] for name, row in rows.items()} == {
        "far": "running",
        "silent": "lost",
        "dead": "stays",
        "other-blocks": "stays",
    }
    assert rows["dead"]["text"] == "stays; its script killed by SIGKILL"
    assert "login3" in rows["silent"]["text"]
    assert re.search(r"^far +running .* login2$", folder.call("ps"), re.MULTILINE)


def test_stop_ends_what_stays(folder: Folder) -> None:
    os.makedirs(folder.records)
    resident = subprocess.Popen(["sleep", "1000"])
    run_records.create("dead", where=folder.records, returncode=-9, run_dirs=["/r/000"], ended=time.time())
    run_records.create("b", where=folder.records, kind="stays", run_dirs=["/r/000"], process=process_of(resident.pid))
    said = folder.call("stop", "dead")
    assert "what has stayed of it is told to end" in said and "dead killed by SIGKILL" in said
    assert resident.wait(WAIT) == -signal.SIGTERM


def test_what_stays_belongs_to_the_run_whose_script_has_it(folder: Folder) -> None:
    folder.held(
        """
        from parsl.config import Config
        from parsl.executors import HighThroughputExecutor
        parsl.load(Config([HighThroughputExecutor(max_workers_per_node=2)], strategy="none"))
        quick(1).result()
        print("up", flush=True)
        held("gate").result()
        """
    )
    first = folder.detach("--linger", "5m", "script.py")
    folder.says(first, "up")
    [resident] = ends.residents_of(folder.record(first))
    os.kill(folder.pid(first), signal.SIGKILL)
    eventually(lambda: folder.listed().get(first, {}).get("state") == "stays", "what stays is shown")
    assert list(folder.listed()) == [first]
    second = folder.detach("--linger", "5m", "script.py")
    folder.says(second, "up")
    assert "this is another life of run runinfo/000" in folder.log(second)
    assert ends.residents_of(folder.record(second)) == [resident]
    eventually(lambda: folder.listed()[first]["state"] == "killed", "it has been taken up")
    folder.call("stop", "--now", second)
    assert not alive(resident[0])
    assert {row["state"] for row in folder.listed().values()} == {"killed"}


def test_a_reader_that_has_seen_enough(folder: Folder) -> None:
    folder.script("print('line\\n' * 100_000)")
    name = folder.detach("script.py")
    folder.ends(name)
    with folder.calling("logs", name) as printing:
        assert printing.stdout is not None and printing.stderr is not None
        assert printing.stdout.readline() == "line\n"
        printing.stdout.close()
        assert (printing.wait(WAIT), printing.stderr.read()) == (0, "")
