"""What a resident says about itself on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from parsl_on_dask.common import run_records
from parsl_on_dask.linger import records
from parsl_on_dask.linger.shown import Shown


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"script": ["a.py"]}'])
def test_what_is_not_whole_is_not_there(text: str, tmp_path: Path) -> None:
    run = tmp_path / "000"
    run.mkdir()
    (run / records.FILE).write_text(text)
    (run / records.FILE).chmod(0o600)
    assert records.find(str(tmp_path), ["a.py"]) == []


def test_one_that_ends_is_not_shown_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shown = Shown(str(tmp_path), ["a.py"], str(tmp_path / "socket"), 60)
    shown.show(away=True)
    assert [record.kind for record in run_records.read_all()] == ["stays"]
    shown.close()
    shown.show(away=True)  # as its script leaves
    assert run_records.read_all() == []
    assert records.read(str(tmp_path)) is None
