"""Each run has a numbered directory of its own."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from parsl_on_dask.dataflow.rundirs import make_rundir


def test_numbers_go_up_from_000_and_the_parents_are_made(tmp_path: Path) -> None:
    root = tmp_path / "some" / "runs"
    assert [os.path.basename(make_rundir(str(root))) for _ in range(3)] == ["000", "001", "002"]


def test_the_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert make_rundir("runinfo") == str(tmp_path / "runinfo" / "000")


def test_directories_sort_by_number(tmp_path: Path) -> None:
    for name in ("998", "999"):
        (tmp_path / name).mkdir()
    assert os.path.basename(make_rundir(tmp_path)) == "1000"
    assert os.path.basename(make_rundir(tmp_path)) == "1001"


def test_gaps_are_not_filled_and_a_removed_last_run_is_not_remembered(tmp_path: Path) -> None:
    (tmp_path / "007").mkdir()
    assert os.path.basename(make_rundir(tmp_path)) == "008"


def test_stray_files_and_names_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "003").mkdir()
    (tmp_path / "monitoring.db").touch()
    (tmp_path / "0a1").mkdir()
    (tmp_path / "٣٣").mkdir()
    assert os.path.basename(make_rundir(tmp_path)) == "004"


def test_whatever_has_a_number_for_a_name_counts(tmp_path: Path) -> None:
    (tmp_path / "003").mkdir()
    (tmp_path / "998").touch()
    assert [os.path.basename(make_rundir(tmp_path)) for _ in range(2)] == ["999", "1000"]


def test_a_file_that_has_the_next_number_is_stepped_over(tmp_path: Path) -> None:
    (tmp_path / "000").touch()
    assert os.path.basename(make_rundir(tmp_path)) == "001"


def test_runs_that_start_together_get_different_directories(tmp_path: Path) -> None:
    made: list[str] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        made.extend(make_rundir(tmp_path) for _ in range(20))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(made)) == 160


def test_an_unusable_place_is_an_error_that_says_what_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"below .*file.*run_dir="):
        make_rundir(tmp_path / "file")
