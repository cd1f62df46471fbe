"""Records of runs: who may write them, what they say of processes that are gone, and which are forgotten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from parsl_on_dask.common import overrides, run_records
from parsl_on_dask.common.processes_here import alive, process_of, this_process
from parsl_on_dask.common.run_record import UnknownRun
from tests.front_door.programs import SOURCE


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "parsl_on_dask" / "runs"


def test_only_the_user_can_read_them(state: Path) -> None:
    made = run_records.create(stem="fit model", script="fit model.py", process=this_process())
    assert made.name.startswith("fit_model-") and len(made.name) == len("fit_model-") + 4
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / f"{made.name}.json").stat().st_mode & 0o777 == 0o600
    assert run_records.read(made.name) == made
    assert [record.name for record in run_records.read_all()] == [made.name]


def test_two_names_are_never_one(state: Path) -> None:
    made = [run_records.create(stem="a", process=this_process()).name for _ in range(20)]
    assert len(set(made)) == 20
    run_records.create("nightly", process=this_process())
    with pytest.raises(ValueError, match="nightly is there already"):
        run_records.create("nightly")
    run_records.update("nightly", ended=time.time(), returncode=0)
    assert run_records.create("nightly").ended is None
    for name in ("", "../up", "a b", ".hidden"):
        if name:
            with pytest.raises(ValueError, match="cannot be the name"):
                run_records.create(name)


def test_changes_of_several_processes_are_all_there(state: Path) -> None:
    run_records.create("shared", process=this_process())
    code = "import sys; from parsl_on_dask.common.run_records import update\n"
    code += "for n in range(20): update('shared', add_run_dirs=[f'{sys.argv[1]}/{n}'])"
    words = [sys.executable, "-c", code]
    started = [
        subprocess.Popen([*words, str(state / who)], env={**os.environ, "PYTHONPATH": SOURCE}) for who in ("a", "b")
    ]
    for n in range(20):
        run_records.update("shared", life=n)
    assert [process.wait(60) for process in started] == [0, 0]
    record = run_records.read("shared")
    assert record is not None and (len(record.run_dirs), record.life) == (40, 19)


def test_a_reader_never_sees_half_a_record(state: Path) -> None:
    run_records.create("busy", process=this_process())
    ended = threading.Event()

    def write() -> None:
        for n in range(200):
            run_records.update("busy", argv=["word" * 100] * (n % 50))
        ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not ended.is_set():
        assert run_records.read("busy") is not None
    thread.join()


def test_a_process_is_more_than_its_id(state: Path) -> None:
    me = this_process()
    assert alive(me) and not alive([me[0], me[1] + 1])
    other = run_records.create("other", process=[me[0], me[1] + 1])
    assert run_records.state_of(other) == ("lost", "lost: its processes are gone")
    child = subprocess.Popen(["sleep", "60"])
    process = process_of(child.pid)
    record = run_records.create("child", process=process)
    assert run_records.state_of(record).word == "running"
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(process), "one that has ended and was not waited for is not there any more"
    child.wait()
    assert run_records.state_of(record).word == "lost"
    assert run_records.state_of(run_records.create("keeper", process=process, keeper=me)).word == "running"


def test_an_end_that_comes_while_somebody_looks(state: Path) -> None:
    before = run_records.create("fast", process=[2**22 + 1, 1])
    run_records.update("fast", ended=time.time(), returncode=3)
    assert run_records.state_of(before) == ("ended", "ended with exit code 3")


@pytest.mark.parametrize("machine", [{"host": "login2"}, {"host": os.uname().nodename, "boot": "before"}])
def test_a_run_of_another_machine_goes_by_its_beat(state: Path, machine: dict[str, str]) -> None:
    record = run_records.create("far", process=this_process(), **machine)
    assert run_records.state_of(record).word == "running"
    path = state / "far.json"
    seen = path.stat().st_mtime
    os.utime(path, (seen, seen - run_records.LOST - 60))
    assert run_records.state_of(record).word == "lost"
    assert record.host in run_records.state_of(record).text
    run_records.beat("far")
    assert run_records.state_of(record).word == "running"


def test_clocks_of_two_machines_are_not_compared(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = run_records.create("far", process=this_process(), host="login2", began=time.time() - 10**6)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert run_records.state_of(record).word == "running"


def test_what_stays_and_what_waits_in_a_queue(state: Path) -> None:
    assert run_records.state_of(run_records.create("a", kind="stays", process=this_process())).word == "stays"
    waiting = run_records.create("b", kind="job", host="", job="17", system="slurm")
    assert run_records.state_of(waiting) == ("pending", "pending, slurm job 17")


def test_names_may_be_short(state: Path) -> None:
    made = [run_records.create(name, process=this_process()) for name in ("fit-12ab", "fit-34cd", "sum")]
    assert [run_records.find(n, made).name for n in ("fit-1", "34cd", "s", "sum")] == [
        "fit-12ab",
        "fit-34cd",
        "sum",
        "sum",
    ]
    with pytest.raises(UnknownRun, match="'fit' could be fit-12ab or fit-34cd"):
        run_records.find("fit", made)
    with pytest.raises(UnknownRun, match="no run 'xyz'; there are: sum, fit-34cd, fit-12ab"):
        run_records.find("xyz", made)


def test_old_ends_are_forgotten(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("old", "new", "runs"):
        run_records.create(name, process=this_process())
        if name != "runs":
            run_records.update(name, ended=time.time(), returncode=0)
        if name != "new":
            past = time.time() - run_records.KEPT_FOR - 60
            os.utime(state / f"{name}.json", (past, past))
    run_records.create("other", process=this_process())
    assert {record.name for record in run_records.read_all()} == {"new", "runs", "other"}
    monkeypatch.setattr(run_records, "KEPT", 0)
    run_records.create("last", process=this_process())
    assert {record.name for record in run_records.read_all()} == {"runs", "other", "last"}


def test_a_run_directory_knows_its_runs_without_the_folder(state: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "project" / "runinfo" / "000"
    run_dir.mkdir(parents=True)
    run_records.create("here", process=this_process())
    run_records.update("here", add_run_dirs=[str(run_dir)])
    assert [r.name for r in run_records.read_all(here=str(tmp_path / "project"))] == ["here"], "once, not twice"
    (state / "here.json").unlink()
    for place in (tmp_path / "project", tmp_path / "project" / "runinfo"):
        [found] = run_records.read_all(here=str(place))
        assert (found.name, run_records.state_of(found).word) == ("here", "running")
    assert run_records.read_all(here=str(tmp_path)) == []


def test_what_stays_has_a_copy_of_its_own(state: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "runinfo" / "000"
    run_dir.mkdir(parents=True)
    run_records.create("script", process=this_process(), run_dirs=[str(run_dir)])
    resident = run_records.create("blocks", kind="stays", process=[2**22 + 1, 1], run_dirs=[str(run_dir)])
    elsewhere = str(tmp_path / "elsewhere")
    assert {r.name for r in run_records.read_all(where=elsewhere, here=str(tmp_path))} == {"script", "blocks"}
    assert run_records.state_of(resident).word == "lost"
    run_records.remove("blocks")
    assert [r.name for r in run_records.read_all(where=elsewhere, here=str(tmp_path))] == ["script"]
    assert run_records.state_of(resident) == ("ended", "ended"), "it has said that it ends"


def test_what_is_no_record_is_passed_over(state: Path) -> None:
    run_records.create("good", process=this_process())
    (state / "half.json").write_text('{"name": "ha')
    (state / "list.json").write_text("[1]")
    (state / "later.json").write_text(json.dumps({"name": "later", "of_a_later_release": 1}))
    assert [record.name for record in run_records.read_all()] == ["later", "good"]


def test_a_run_directory_that_is_gone_takes_nothing_along(state: Path) -> None:
    run_records.create("a", process=this_process())
    record = run_records.update("a", add_run_dirs=[str(state / "gone")])
    assert record.run_dir == str(state / "gone")
    run_records.beat("a")
    run_records.remove("a")
    run_records.remove("a")
    assert run_records.read_all() == []
    with pytest.raises(UnknownRun):
        run_records.update("a", life=2)


def test_no_folder_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="let XDG_STATE_HOME name a folder"):
        run_records.folder()


def test_the_record_is_that_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(overrides.RUN, "/home/u/runs/fit-12ab.json")
    overrides.adopt_run()
    try:
        assert overrides.run_record() == ("fit-12ab", "/home/u/runs")
        assert overrides.RUN not in os.environ, "nor is it in that of processes that are started"
        pid = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: pid + 1)
        assert overrides.run_record() is None, "nor of a fork"
    finally:
        monkeypatch.undo()
        overrides.adopt_run()
    assert overrides.run_record() is None
