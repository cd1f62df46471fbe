"""What was recorded and removed, and in which order, does not hang on anybody's clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from parsl_on_dask.checkpoint.cli import main
from parsl_on_dask.checkpoint.compaction import compact
from parsl_on_dask.checkpoint.store import Store

KEY, OTHER = "0" * 31 + "1", "0" * 31 + "2"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Turns the clock by so many seconds."""
    real, real_ns = time.time, time.time_ns

    def turn(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)
        monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(seconds * 10**9))

    return turn


def put(directory: Path, value: object, key: str = KEY) -> None:
    with Store(directory) as store:
        store.put(key, value, app="f")


def value(directory: Path, key: str = KEY) -> object:
    with Store(directory) as store:
        entry = store.find(key)
        return None if entry is None else store.load(entry)


@pytest.mark.parametrize("behind", [-1, -3600, -10 * 365 * 86400])
def test_what_a_host_with_another_clock_removes_stays_removed(
    behind: float, clock: Callable[[float], None], tmp_path: Path
) -> None:
    put(tmp_path, "wrong")
    clock(behind)
    with Store(tmp_path) as store:
        assert store.remove([KEY]) == 1
    assert value(tmp_path) is None
    clock(0)
    assert value(tmp_path) is None
    compact(tmp_path)
    assert value(tmp_path) is None


@pytest.mark.parametrize("turned", [-60, -86400, 60])
def test_what_is_recorded_after_a_removal_is_found(
    turned: float, clock: Callable[[float], None], tmp_path: Path
) -> None:
    put(tmp_path, "old")
    with Store(tmp_path) as store:
        store.remove([KEY])
    clock(turned)
    put(tmp_path, "new")
    assert value(tmp_path) == "new"
    clock(0)
    assert value(tmp_path) == "new"
    compact(tmp_path)
    assert value(tmp_path) == "new"


def test_the_later_one_counts_whatever_the_clocks_said(clock: Callable[[float], None], tmp_path: Path) -> None:
    for number, turned in enumerate((0, -5000, 7000, -7000, 10**8, -1, 0)):
        clock(turned)
        put(tmp_path, number)
    assert value(tmp_path) == 6
    assert len(list(tmp_path.glob("*.seg"))) == 7


def test_a_file_with_another_name_changes_nothing(clock: Callable[[float], None], tmp_path: Path) -> None:
    put(tmp_path, 1)
    (tmp_path / "99999999T000000-odd.seg").touch()
    clock(-5000)
    put(tmp_path, 2)
    assert value(tmp_path) == 2


def test_the_command_with_another_clock(
    clock: Callable[[float], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "wrong")
    clock(-3600)
    assert main(["rm", "--all", "--yes", str(tmp_path)]) == 0
    assert "1 results removed" in capsys.readouterr().out
    clock(0)
    assert value(tmp_path) is None


def test_the_command_says_what_is_there_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, 1)
    put(tmp_path, 2, OTHER)

    def and_a_run_goes_on(directory: str) -> int:
        put(Path(directory), "again")
        return 0

    monkeypatch.setattr("parsl_on_dask.checkpoint.commands.compact", and_a_run_goes_on)
    assert main(["rm", "--all", "--yes", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "1 results removed" in said and "1 are there again" in said
    assert value(tmp_path) == "again" and os.listdir(tmp_path)
