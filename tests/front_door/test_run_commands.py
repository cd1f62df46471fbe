"""Which runs the commands mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from parsl_on_dask.common import run_records
from parsl_on_dask.common.processes_here import this_process
from parsl_on_dask.front_door.run_commands import chosen_of


def test_what_stays_of_a_run_goes_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    run_dir = str(tmp_path / "runinfo/000")
    gone = [2**22 + 1, 1]
    run_records.create("nightly", kind="detached", cwd=str(tmp_path), process=gone, run_dirs=[run_dir])
    run_records.create("rest", kind="stays", cwd=str(tmp_path), process=this_process(), run_dirs=[run_dir])
    [chosen] = chosen_of(run_records.read_all(), [])
    assert chosen.name == "nightly"
    assert "nightly, the only run of this directory" in capsys.readouterr().err
