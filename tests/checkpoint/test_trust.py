"""Results that somebody else may have put there are not unpickled."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask
from parsl_on_dask import python_app
from parsl_on_dask.checkpoint.entry import CheckpointWarning
from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.remote.trust import distrust, is_private_group

root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture(autouse=True)
def no_private_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are in the group that files belong to here."""
    monkeypatch.setattr("parsl_on_dask.remote.trust.is_private_group", lambda gid: False)


@python_app(cache=True)
def simulate(x: int, size: int = 0) -> Any:
    return (x * 2, b"v" * size)


def run(tmp_path: Path, size: int = 0, **options: Any) -> tuple[Any, bool]:
    """The result of a call, and whether it was found."""
    memoizer = BasicMemoizer(checkpoint_mode="task_exit", **options)
    with parsl_on_dask.load(Config(memoizer=memoizer, run_dir=str(tmp_path / "runinfo"), initialize_logging=False)):
        future = simulate(21, size)
        return future.result(60), bool(future.task_record["from_memo"])


def recorded(tmp_path: Path) -> Path:
    return tmp_path / "runinfo" / "000" / "checkpoint"


def everybody_may_write(place: Path) -> None:
    place.chmod(0o777)


def the_group_may_write(place: Path) -> None:
    place.chmod(0o770)


def a_segment_is_open(place: Path) -> None:
    next(place.glob("*.seg")).chmod(0o666)


def it_is_somebody_elses(place: Path) -> None:
    os.chown(place, 12345, 12345)


def a_segment_is_somebody_elses(place: Path) -> None:
    os.chown(next(place.glob("*.seg")), 12345, 12345)


WAYS = [
    everybody_may_write,
    the_group_may_write,
    a_segment_is_open,
    pytest.param(it_is_somebody_elses, marks=root),
    pytest.param(a_segment_is_somebody_elses, marks=root),
]


@pytest.mark.parametrize("spoil", WAYS)
def test_what_was_found_is_left_out(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    assert run(tmp_path) == ((42, b""), False)
    spoil(recorded(tmp_path))
    with pytest.warns(CheckpointWarning, match=r"is left out: .*trust=True"):
        assert run(tmp_path) == ((42, b""), False)
    assert run_quietly(tmp_path) == ((42, b""), True), "the run in between has recorded it"


def run_quietly(tmp_path: Path, **options: Any) -> tuple[Any, bool]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)
        return run(tmp_path, **options)


@pytest.mark.parametrize("spoil", WAYS)
def test_what_is_listed_is_left_out_too_unless_it_is_trusted(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    run(tmp_path)
    spoil(recorded(tmp_path))
    listed = [str(recorded(tmp_path))]
    other = tmp_path / "other"
    with pytest.warns(CheckpointWarning, match="is left out"):
        assert run(other, checkpoint_files=listed)[1] is False
    with warnings.catch_warnings():
        warnings.simplefilter("error", CheckpointWarning)
        assert run(other, checkpoint_files=listed, trust=True)[1] is True


def test_ones_own_directory_is_written_to_and_not_read(tmp_path: Path) -> None:
    place = tmp_path / "shared"
    assert run(tmp_path, directory=str(place))[1] is False
    place.chmod(0o777)
    with pytest.warns(CheckpointWarning, match="is left out"):
        assert run(tmp_path, directory=str(place), checkpoint_files=[])[1] is False
    place.chmod(0o700)
    assert run(tmp_path, directory=str(place), checkpoint_files=[])[1] is True


def test_nothing_of_what_was_planted_runs(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    run(tmp_path)
    place = recorded(tmp_path)

    class Planted:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(trap),)

    from parsl_on_dask.checkpoint.store import Store

    with Store(place) as store:
        [entry] = list(store.entries())
        store.put(entry.key, Planted(), app=entry.app, identity=entry.identity)
    place.chmod(0o777)
    assert run_quietly(tmp_path) == ((42, b""), False)
    assert not trap.exists()


def test_a_parsl_file(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    place = tmp_path / "old" / "checkpoint"
    place.mkdir(parents=True, mode=0o700)

    class Planted:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(trap),)

    (place / "tasks.pkl").write_bytes(pickle.dumps({"hash": "0" * 32, "exception": None, "result": Planted()}))
    (place / "tasks.pkl").chmod(0o666)
    with pytest.warns(CheckpointWarning, match=r"tasks.pkl can be written to by everybody"):
        run(tmp_path, checkpoint_files=[str(place)])
    assert not trap.exists()


def test_a_value_file(tmp_path: Path) -> None:
    size = 200_000
    assert run(tmp_path, size)[1] is False
    assert run(tmp_path, size)[1] is True
    for value in (tmp_path / "runinfo").glob("*/checkpoint/values/*.val"):
        value.chmod(0o666)
    with pytest.warns(CheckpointWarning, match="is not read: .*can be written to by everybody"):
        assert run(tmp_path, size)[1] is False


def test_what_is_distrusted(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert distrust(file) == "", "it is not there"
    file.touch(0o600)
    assert distrust(file) == ""
    file.chmod(0o644)
    assert distrust(file) == "", "others may read"
    file.chmod(0o664)
    assert "by its group" in distrust(file)


def test_the_group_of_one_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o664)  # what Parsl makes under the usual umask of Red Hat's systems
    monkeypatch.undo()
    import grp
    import pwd

    me = pwd.getpwuid(os.geteuid())
    private = grp.getgrgid(file.stat().st_gid)
    alone = private.gr_name == me.pw_name and not set(private.gr_mem) - {me.pw_name}
    assert is_private_group(private.gr_gid) == alone
    assert (distrust(file) == "") == alone
    assert not is_private_group(987654)


@root
def test_a_link_of_somebody_elses(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch(0o600)
    link.symlink_to(file)
    assert distrust(link) == ""
    os.lchown(link, 12345, 12345)
    assert "12345 has made" in distrust(link)
