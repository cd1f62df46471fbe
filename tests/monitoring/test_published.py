"""How far a run without a terminal is goes into its run directory; of any other run nothing does."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.common import overrides, run_records
from parsl_on_dask.common.processes_here import this_process
from parsl_on_dask.config import Config
from parsl_on_dask.executors import ThreadPoolExecutor
from parsl_on_dask.monitoring import published
from tests.kernels import unload


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a record that is about this process."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = run_records.create(process=this_process())
    monkeypatch.setenv(overrides.RUN, run_records.path_of(made.name))
    overrides.adopt_run()
    yield made.name
    unload()
    monkeypatch.delenv(overrides.RUN, raising=False)
    overrides.adopt_run()


def config(tmp_path: Path) -> Config:
    return Config([ThreadPoolExecutor(max_threads=1)], run_dir=str(tmp_path / "runinfo"))


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "parsl-published"]


def test_a_run_in_a_terminal_publishes_nothing(tmp_path: Path) -> None:
    with parsl.load(config(tmp_path)) as kernel:
        assert not threads()
    assert not {published.FILE, run_records.COPY} & set(os.listdir(kernel.run_dir))


def test_how_far_it_is_and_was_at_the_end(tmp_path: Path, record: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "PERIOD", 0.01)
    began, gate = threading.Event(), threading.Event()

    @parsl.python_app
    def held() -> None:
        began.set()
        gate.wait()

    with parsl.load(config(tmp_path)) as kernel:
        futures = [held() for _ in range(3)]
        began.wait()
        while (now := published.standing(kernel.run_dir)) is None or not now.apps or not now.apps[0].running:
            pass
        assert now.apps[0]._asdict() == {
            "app": "held",
            "done": 0,
            "cached": 0,
            "running": 1,
            "waiting": 2,
            "failed": 0,
        }
        gate.set()
        [f.result() for f in futures]
    last = published.standing(kernel.run_dir)
    assert last is not None and (last.apps[0].done, last.blocks) == (3, {})
    assert not threads()
    found = run_records.read(record)
    assert found is not None and found.run_dirs == [kernel.run_dir]
    [copy] = run_records.read_all(where=str(tmp_path), here=str(tmp_path))
    assert copy.name == record


def test_what_has_not_changed_is_not_written_again(
    tmp_path: Path, record: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    replace = os.replace
    monkeypatch.setattr(published.os, "replace", lambda a, b: (written.append(b), replace(a, b)))
    with parsl.load(config(tmp_path)) as kernel:
        assert kernel.views.published is not None
        for _ in range(5):
            kernel.views.published._write()
    assert len([path for path in written if path.endswith(published.FILE)]) == 1


def test_a_full_disk_and_a_record_that_is_gone_are_no_matter(
    tmp_path: Path, record: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_records.remove(record)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(published.os, "replace", full)
    with parsl.load(config(tmp_path)) as kernel:
        assert parsl.python_app(lambda: 1)().result() == 1
    assert published.standing(kernel.run_dir) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"apps": [[1]], "blocks": {}, "passed": 0}'])
def test_a_file_that_is_none_of_ours(tmp_path: Path, text: str) -> None:
    assert published.standing(str(tmp_path)) is None
    (tmp_path / published.FILE).write_text(text)
    assert published.standing(str(tmp_path)) is None
