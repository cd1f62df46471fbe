"""`python -m parsl_on_dask checkpoint`: lists, checks, drops and converts what is recorded."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parsl_on_dask.checkpoint import cli
from parsl_on_dask.checkpoint.parsl_files import ParslFile
from parsl_on_dask.checkpoint.parsl_writer import ParslWriter
from parsl_on_dask.checkpoint.progress import progress
from parsl_on_dask.checkpoint.store import Store
from parsl_on_dask.front_door import cli as front
from tests import interpreters
from tests.front_door.programs import FRONT, forked, write

DAY = 86400.0


def key(number: object) -> str:
    return hashlib.md5(str(number).encode()).hexdigest()


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Three apps in segments, a large value in a file of its own, two results from Parsl."""
    where = tmp_path / "runinfo" / "000" / "checkpoint"
    with Store(str(where)) as store:
        for number in range(5):
            parts = [("function", "0" * 12, "fib"), ("n", "1" * 12, str(number))]
            store.put(key(number), number, app="fib", parts=parts, written=time.time() - number * DAY)
        store.put(key("big"), b"x" * 100_000, app="simulate")
        store.put(key("source"), "text", app="mean", identity="source")
    with ParslWriter(where / "tasks.pkl") as writer:
        writer.append(key("parsl"), "from Parsl")
        writer.append(key(0), 0)
    return where


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = cli.main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def keys_in(where: Path) -> set[str]:
    with Store(str(where)) as store:
        found = {entry.key for entry in store.entries()}
    if (where / "tasks.pkl").exists():
        found |= {entry.key for entry in ParslFile(where / "tasks.pkl").entries()}
    return found


def test_ls(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "ls", recorded)
    assert (status, err) == (0, "")
    rows = {line.split("  ")[0]: line.split() for line in out.splitlines()}
    assert list(rows) == ["app", "(from Parsl)", "fib", "mean", "simulate", "all"]
    assert rows["(from Parsl)"][2] == "1"  # what is in both is one
    assert rows["fib"][1] == "5" and rows["simulate"][1:4] == ["1", "100.0", "kB"] and rows["all"][1] == "8"
    for other in (recorded.parent, recorded.parents[1]):  # the run, all runs
        assert run(capsys, "ls", other) == (status, out, err)


def test_ls_long(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "ls", "--long", recorded)
    lines = out.splitlines()
    assert len(lines) == 8
    assert next(line for line in lines if line.startswith(key(3))).endswith("name      fib(n=3)")
    assert "(from Parsl)" in next(line for line in lines if line.startswith(key("parsl")))


def test_verify(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "verify", recorded) == (0, "9 results read, all are whole\n", "")
    assert run(capsys, "verify", "--load", recorded)[0] == 0
    (recorded / "values" / "left.val").write_bytes(b"abc")
    status, out, _ = run(capsys, "verify", recorded)
    assert status == 0 and "1 value files (3 B) belong to no record" in out


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def test_verify_finds_damage_everywhere(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (value,) = (recorded / "values").glob("*.val")
    flip(value, 50_000)
    status, out, _ = run(capsys, "verify", recorded)
    assert status == 1 and "9 results read, 1 damaged" in out and str(value) in out
    (segment,) = recorded.glob("*.seg")
    flip(segment, 150)
    parsl = recorded / "tasks.pkl"
    parsl.write_bytes(parsl.read_bytes()[:-4])
    status, out, err = run(capsys, "verify", recorded)
    assert status == 1 and "3 damaged" in out
    assert err.count("warning: ") == 2 and "checkpoint.py" not in err
    parsl.write_bytes(b"something else")
    status, out, _ = run(capsys, "verify", recorded)
    assert status == 1 and "holds no record of a checkpoint" in out


@pytest.mark.parametrize(
    "words, gone",
    [
        (["--app", "fib"], {0, 1, 2, 3, 4}),
        (["--app", "fib", "--older-than", "1.5"], {2, 3, 4}),
        (["--older-than", "2.5"], {3, 4}),
        (["--identity", "source"], {"source"}),
        (["--key", key(3)[:8].upper()], {3}),
        (["--app", ""], {"parsl"}),
        (["--all"], {0, 1, 2, 3, 4, "big", "source", "parsl"}),
        (["--app", "nobody"], set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_rm(recorded: Path, capsys: pytest.CaptureFixture[str], words: list[str], gone: set[object]) -> None:
    before = keys_in(recorded)
    status, out, _ = run(capsys, "rm", "--yes", *words, recorded)
    assert status == 0 and (f"{len(gone)} results removed" in out or not gone)
    assert before - keys_in(recorded) == {key(each) for each in gone}
    assert list((recorded / "values").glob("*")) == [] or "big" not in gone
    if keys_in(recorded):
        assert run(capsys, "verify", recorded)[0] == 0


def test_rm_asks(recorded: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys_in(recorded)
    for answer in ("\n", "n\n", ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        status, out, _ = run(capsys, "rm", "--app", "fib", recorded)
        assert status == 1 and "Remove these 5 results? [y/N]" in out and "Nothing has been removed" in out
    assert keys_in(recorded) == before
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run(capsys, "rm", "--app", "fib", recorded)[0] == 0
    assert len(keys_in(recorded)) == len(before) - 5


def test_export_to_parsl(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out_dir = tmp_path / "out"
    status, out, _ = run(capsys, "export", recorded, "--to-parsl", out_dir)
    assert status == 0 and "7 results written" in out
    assert "1 results left out: their functions are identified by source" in out
    found = {}
    with open(out_dir / "tasks.pkl", "rb") as stream:
        while stream.peek(1):
            entry = pickle.load(stream)
            found[entry["hash"]] = entry["result"]
    assert found == {**{key(i): i for i in range(5)}, key("big"): b"x" * 100_000, key("parsl"): "from Parsl"}
    assert [path.name for path in out_dir.iterdir()] == ["tasks.pkl"]
    status, _, err = run(capsys, "export", recorded, "--to-parsl", out_dir)
    assert status == 2 and "exists already: name another place" in err


def test_export_from_parsl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for run_number in range(2):
        with ParslWriter(tmp_path / "old" / f"00{run_number}" / "checkpoint" / "tasks.pkl") as writer:
            for number in range(3):
                writer.append(key(number), f"run {run_number}")
            writer.append(key(("only", run_number)), "x" * 100_000)
    where = tmp_path / "new"
    assert run(capsys, "export", where, "--from-parsl", tmp_path / "old")[:2] == (
        0,
        f"5 results copied to {where}, 3 were there already\n",
    )
    with Store(str(where)) as store:
        found = {entry.key: store.load(entry) for entry in store.entries()}
        assert all(entry.identity == "name" for entry in store.entries())
    assert found[key(0)] == "run 1" and found[key(("only", 0))] == "x" * 100_000 and len(found) == 5
    assert "0 results copied" in run(capsys, "export", where, "--from-parsl", tmp_path / "old")[1]
    one = tmp_path / "old" / "000" / "checkpoint" / "tasks.pkl"
    assert "4 results copied" in run(capsys, "export", tmp_path / "b", "--from-parsl", one)[1]


def test_what_only_the_script_can_unpickle_is_carried_both_ways(tmp_path: Path) -> None:
    make = """
        import pickle, sys, os
        class Point:
            def __init__(self, x): self.x = x
        os.makedirs("old")
        with open("old/tasks.pkl", "wb") as file:
            pickle.dump({"hash": "a" * 32, "exception": None, "result": [Point(1), "hash"]}, file)
        """
    write(tmp_path, "make.py", make)
    assert forked(tmp_path, "make.py").returncode == 0
    words = ["export", "new", "--from-parsl", "old"], ["export", "new", "--to-parsl", "again"], ["verify", "new"]
    for each in words:
        done = forked(tmp_path, *FRONT, "checkpoint", *each)
        assert (done.returncode, done.stderr) == (0, "")
    look = """
        import pickle
        from parsl_on_dask.checkpoint.store import Store
        class Point: pass
        store = Store("new")
        print(store.load(store.find("a" * 32))[0].x, pickle.load(open("again/tasks.pkl", "rb"))["result"][0].x)
        """
    write(tmp_path, "look.py", look)
    assert forked(tmp_path, "look.py").stdout == "1 1\n"


def test_exported_damage_is_named(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (value,) = (recorded / "values").glob("*.val")
    flip(value, 50_000)
    status, out, _ = run(capsys, "export", recorded, "--to-parsl", tmp_path / "x.pkl")
    assert status == 1 and "6 results written" in out and "damaged, left out: " in out and str(value) in out


@pytest.mark.parametrize(
    "words, text",
    [
        (["ls", "{tmp}/nowhere"], "there is no such directory"),
        (["ls", "{tmp}/file"], "is a file: give the directory that it is in"),
        (["verify", "{tmp}"], "no results are recorded there, neither tasks.pkl nor files *.seg"),
        (["rm", "{tmp}"], "say which results: --app NAME"),
        (["export", "{tmp}/file", "--from-parsl", "{tmp}"], "is a file: DIR is the directory"),
        (["export", "{tmp}/new", "--from-parsl", "{tmp}/nowhere"], "there is no such directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], text: str) -> None:
    (tmp_path / "file").touch()
    status, out, err = run(capsys, *(word.format(tmp=tmp_path) for word in words))
    assert (status, out) == (2, "") and text in err and err.startswith("checkpoint: ")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.parametrize(
    "words, text",
    [
        ([], "required: ls|verify|rm|export"),
        (["list", "x"], "invalid choice: 'list'"),
        (["rm", "--key", "xyz", "d"], "'xyz' is not the beginning of a key"),
        (["rm", "--older-than", "-1", "d"], "not a number of days"),
        (["export", "d"], "--to-parsl"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_words(capsys: pytest.CaptureFixture[str], words: list[str], text: str) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 2 and text in capsys.readouterr().err


def test_the_front_door(tmp_path: Path, recorded: Path) -> None:
    done = forked(tmp_path, *FRONT, "checkpoint", "ls", "runinfo")
    assert done.returncode == 0 and "simulate" in done.stdout and done.stderr == ""
    assert front.parse(["checkpoint", "ls", "x"]).kind == "checkpoint"
    assert front.parse(["./checkpoint", "ls"]).kind == "script"
    with pytest.raises(SystemExit):
        front.parse(["--scheduler", "tcp://127.0.0.1:1", "checkpoint", "ls", "x"])
    assert forked(tmp_path, *FRONT, "checkpoint", "--help").stdout.startswith(
        "usage: python -m parsl_on_dask checkpoint"
    )


def test_a_reader_that_leaves_early(recorded: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = interpreters.run(
            [sys.executable, *FRONT, "checkpoint", "ls", str(recorded)],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (1, "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only() -> None:
    terminal, file = Terminal(), io.StringIO()
    assert list(progress(range(3), 3, "reading", terminal, first_after=0)) == [0, 1, 2]
    shown = terminal.getvalue()
    assert "\rreading [##########" in shown and " 33%  1/3" in shown and shown.endswith("\r\x1b[K")
    assert list(progress(range(3), 3, "reading", file, first_after=0)) == [0, 1, 2]
    assert file.getvalue() == ""
