"""Large results get into a checkpoint, and out of it, without a way through the client."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import join_app, python_app
from parsl_on_dask.checkpoint import Store
from parsl_on_dask.checkpoint.entry import CheckpointWarning
from parsl_on_dask.dataflow.checkpoint_schedule import CheckpointSchedule
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.lanes import value_files as in_files
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.utils import get_all_checkpoints
from tests.checkpoint.runs import Run, block, length, ran, recorded, squares
from tests.helpers import WAIT, append, eventually, hold

SIZE = 300_000


on_processes_too = pytest.mark.parametrize("config_name", ["processes", "existing"], indirect=True, scope="module")


@pytest.fixture(scope="module", params=["existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def memoizer(mode: Any = "task_exit", **options: Any) -> BasicMemoizer:
    if mode == "periodic":
        options["checkpoint_period"] = "00:10:00"
    return BasicMemoizer(checkpoint_mode=mode, **options)


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Sizes of the values that were brought to the client."""
    seen: list[int] = []
    fetch = RemoteValue.fetch

    def counted(self: RemoteValue) -> Any:
        seen.append(self.size)
        return fetch(self)

    monkeypatch.setattr(RemoteValue, "fetch", counted)
    load = Store.load

    def loaded(self: Store, entry: Any) -> Any:
        if entry.side:
            seen.append(entry.size)
        return load(self, entry)

    monkeypatch.setattr(Store, "load", loaded)
    yield seen


def value_files(kernel: Any) -> list[Path]:
    return sorted(Path(kernel.run_dir, "checkpoint", "values").glob("*.val"))


@pytest.mark.parametrize(
    ("config_name", "mode"),
    [("processes", "dfk_exit"), ("existing", "task_exit"), ("existing", "periodic")],
    indirect=["config_name"],
    scope="module",
)
def test_they_never_visit_the_client(run: Run, log: str, fetches: list[int], mode: str) -> None:
    with run(memoizer(mode)) as kernel:
        sizes = [length(block(log, SIZE + i)) for i in range(3)]
        assert [f.result(WAIT) for f in sizes] == [SIZE, SIZE + 1, SIZE + 2]
    assert [os.stat(file).st_mode & 0o777 for file in value_files(kernel)] == [0o600] * 3
    assert os.stat(os.path.join(kernel.run_dir, "checkpoint", "values")).st_mode & 0o777 == 0o700
    with run(memoizer(mode)) as kernel:
        hits = [block(log, SIZE + i) for i in range(3)]
        assert [f.result(WAIT) for f in [length(hit) for hit in hits]] == [SIZE, SIZE + 1, SIZE + 2]
        assert all(type(hit._result) is RemoteValue for hit in hits)
        assert {hit.task_status() for hit in hits} == {"memo_done"}
        assert fetches == []
        assert hits[0].result(WAIT) == b"b" * SIZE
    assert len(value_files(kernel)) == 3, "the newest directory is enough"
    assert ran(log) == 3


def test_a_result_that_was_seen_is_recorded_soon(run: Run, log: str) -> None:
    with run(memoizer()) as kernel:
        assert block(log, SIZE).result(WAIT) == b"b" * SIZE
        eventually(lambda: recorded(os.path.join(kernel.run_dir, "checkpoint")) == ["block"], "it is recorded")


@on_processes_too
def test_also_while_the_workers_are_busy(run: Run, log: str, gate: str, tmp_path: Path) -> None:
    """Writing does not wait for the end of long calls."""

    @python_app
    def long(started: str, gate: str) -> None:
        hold(started, gate)

    with run(memoizer()) as kernel:
        futures = [long(str(tmp_path / "started-0"), gate)]
        eventually((tmp_path / "started-0").exists, "one worker is busy")
        large = block(log, SIZE)
        futures += [long(str(tmp_path / f"started-{i}"), gate) for i in range(1, 8)]
        assert len(large.result(WAIT)) == SIZE
        place = os.path.join(kernel.run_dir, "checkpoint")
        try:
            eventually(lambda: recorded(place) == ["block"], "it is recorded")
        finally:
            Path(gate).touch()
        for future in futures:
            future.result(WAIT)


@pytest.mark.parametrize("durability", ["process", "sync"])
def test_when_a_result_is_seen(run: Run, log: str, durability: Any) -> None:
    with run(memoizer(durability=durability)) as kernel:
        place = os.path.join(kernel.run_dir, "checkpoint")
        for i in range(5):
            future = block(log, SIZE + i)
            future.exception(WAIT)
            if durability == "sync":
                assert len(recorded(place)) == i + 1
    assert len(recorded(place)) == 5


@on_processes_too
def test_of_many_equal_calls_one_is_written(run: Run, log: str, fetches: list[int]) -> None:
    with run(memoizer(durability="sync")) as kernel:
        futures = [block(log, SIZE) for _ in range(20)]
        for future in futures:
            assert future.exception(WAIT) is None
        futures += [block(log, SIZE) for _ in range(20)]
        assert {f.result(WAIT) for f in [length(f) for f in futures]} == {SIZE}
    assert len(value_files(kernel)) == 1 and ran(log) == 1 and fetches == []


def test_in_a_join(run: Run, log: str, fetches: list[int]) -> None:
    @join_app(cache=True)
    def joined(log: str) -> Any:
        return block(log, SIZE, "j")

    @join_app(cache=True)
    def several(log: str) -> Any:
        return [block(log, SIZE, "j"), block(log, SIZE, "k")]

    for _ in range(2):
        with run(memoizer()):
            assert length(joined(log)).result(WAIT) == SIZE
    assert fetches == [] and ran(log) == 1
    for _ in range(2):
        with run(memoizer()):
            assert [len(v) for v in several(log).result(WAIT)] == [SIZE, SIZE]
    assert ran(log) == 2


def test_as_the_argument_of_a_cached_app(run: Run, log: str) -> None:
    @python_app(cache=True)
    def count(log: str, data: bytes) -> int:
        append(log, "c")
        return len(data)

    for _ in range(2):
        with run(memoizer()):
            assert count(log, block(log, SIZE)).result(WAIT) == SIZE
    assert ran(log) == 2


@on_processes_too
def test_a_hit_after_a_dependency(run: Run, log: str, fetches: list[int]) -> None:
    """The hit is found in the thread that heard of the dependency's end."""

    @python_app
    def size() -> int:
        time.sleep(0.05)
        return SIZE

    for _ in range(2):
        with run(memoizer()):
            assert length(block(log, size())).result(WAIT) == SIZE
    assert ran(log) == 1 and fetches == []


def test_workers_that_do_not_see_the_directory(
    run: Run, log: str, fetches: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The values come through the client, once each."""
    make_probe = CheckpointSchedule._make_probe

    def hidden(self: CheckpointSchedule) -> None:
        make_probe(self)
        self._probe = str(tmp_path / "not" / "seen" / "there")

    monkeypatch.setattr(CheckpointSchedule, "_make_probe", hidden)
    for mode in ("task_exit", "dfk_exit"):
        with run(memoizer(mode, checkpoint_files=[])) as kernel:
            assert [f.result(WAIT) for f in [length(block(log, SIZE + i)) for i in range(3)]]
        assert len(fetches) == 3
        assert len(value_files(kernel)) == 3
        fetches.clear()
    with run(memoizer(durability="sync", checkpoint_files=[])) as kernel:
        assert block(log, SIZE).exception(WAIT) is None
        assert recorded(os.path.join(kernel.run_dir, "checkpoint")) == ["block"]


def test_workers_that_do_not_see_what_was_recorded(
    run: Run, log: str, fetches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with run(memoizer()):
        assert [f.result(WAIT) for f in [length(block(log, SIZE + i)) for i in range(3)]]
    assert fetches == []
    load_on_worker = in_files.load_on_worker
    monkeypatch.setattr(in_files, "load_on_worker", lambda lane, path, *a: load_on_worker(lane, "/not" + path, *a))
    with run(memoizer()):
        hits = [block(log, SIZE + i) for i in range(3)]
        assert [f.result(WAIT) for f in [length(hit) for hit in hits]] == [SIZE, SIZE + 1, SIZE + 2]
        assert {hit.task_status() for hit in hits} == {"memo_done"}
    assert len(fetches) == 3 and ran(log) == 3


@pytest.mark.parametrize("how", ["short", "wrong", "gone"])
def test_a_damaged_value_is_a_miss(run: Run, log: str, how: str) -> None:
    with run(memoizer()) as kernel:
        futures = [block(log, SIZE + i) for i in range(3)]
        assert [f.result(WAIT) for f in [length(f) for f in futures]] == [SIZE, SIZE + 1, SIZE + 2]
    [victim, *_] = value_files(kernel)
    if how == "gone":
        victim.unlink()
    else:
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.write_bytes(data[:-1] if how == "short" else data)
    with pytest.warns(CheckpointWarning, match=f"{victim.name}.* runs again"), run(memoizer()) as kernel:
        again = [block(log, SIZE + i) for i in range(3)]
        assert [f.result(WAIT) for f in [length(f) for f in again]] == [SIZE, SIZE + 1, SIZE + 2]
        assert sorted(f.task_status() for f in again) == ["exec_done", "memo_done", "memo_done"]
        hit = block(log, SIZE)
        assert hit.result(WAIT) == b"b" * SIZE and hit.task_status() == "memo_done"
    assert ran(log) == 4
    with run(memoizer(checkpoint_files=get_all_checkpoints(os.path.dirname(kernel.run_dir)))):
        assert block(log, SIZE).result(WAIT) == b"b" * SIZE
    assert ran(log) == 4, "it was recorded again"


def test_a_large_value_that_cannot_be_pickled(run: Run, log: str) -> None:
    class Stubborn(bytes):
        def __reduce_ex__(self, protocol: Any) -> Any:
            raise TypeError("not me")

    @python_app(cache=True)
    def stubborn(log: str) -> Any:
        append(log)
        return Stubborn(b"s" * SIZE)

    for number in range(2):
        with pytest.warns(CheckpointWarning, match="'stubborn'.*not me"), run(memoizer()):
            assert stubborn(log).exception(WAIT) is None
            squares(log + ".other")
        assert ran(log) == number + 1


def test_values_around_the_limit(run: Run, log: str) -> None:
    sizes = (65_000, 65_500, 65_530, 65_536, 65_540, 66_000)
    for _ in range(2):
        with run(memoizer()):
            assert [len(block(log, size).result(WAIT)) for size in sizes] == [*sizes]
    assert ran(log) == len(sizes)


def test_what_was_recorded_on_threads_is_read_by_workers(
    run: Run, log: str, fetches: list[int], request: pytest.FixtureRequest
) -> None:
    from tests.kernels import executor_for

    with run(memoizer(), executors=[executor_for("threads", request)]):
        assert len(block(log, SIZE).result(WAIT)) == SIZE
    with run(memoizer()):
        hit = block(log, SIZE)
        assert length(hit).result(WAIT) == SIZE
        assert type(hit._result) is RemoteValue and fetches == []
    with run(memoizer(), executors=[executor_for("threads", request)]):
        assert len(block(log, SIZE).result(WAIT)) == SIZE
    assert ran(log) == 1
