"""Parsl's checkpoint files are read, whatever state they are in, and written such that Parsl reads them."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import random
import resource
import warnings
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.checkpoint import parsl_pickles
from parsl_on_dask.checkpoint.entry import CheckpointWarning, DamagedEntry
from parsl_on_dask.checkpoint.parsl_files import ParslFile, flatten_checkpoint_files, open_parsl_file
from parsl_on_dask.checkpoint.parsl_writer import ParslWriter
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.dataflow.errors import BadCheckpoint


def key(number: object) -> str:
    return hashlib.md5(str(number).encode()).hexdigest()


def parsls_record(key: str, value: Any, protocol: int = pickle.DEFAULT_PROTOCOL) -> bytes:
    """What Parsl writes."""
    return pickle.dumps({"hash": key, "exception": None, "result": value}, protocol)


def values_of(file: ParslFile) -> dict[str, Any]:
    return {entry.key: file.load(entry) for entry in file.entries()}


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


class Reading:
    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reading) and self.text == other.text

    __hash__ = None  # type: ignore[assignment]


VALUES = [
    *(None, True, 7, 10**60, 2.5, "", "wörter", b"", b".", ".", "\x80", b"hash" * 10, [], {}, (1,)),
    *("x" * 70_000, b"y" * 70_000, b"." * 200_000, list(range(50_000)), ["a" * 70_000, 1, b"." * 70_000, 2.0]),
    {"exception": None, "hash": "result", "result": "hash"},  # strings that the record's head has, too
    *(Reading("a"), [Reading("b" * 100)] * 3, {f"name{i}": bytearray(i * 100) for i in range(60)}),
    parsls_record(key("inner"), 1) * 3,  # a value that looks like a checkpoint file
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_value_is_found_where_it_is(tmp_path: Path, protocol: int) -> None:
    path = written(tmp_path / "tasks.pkl", b"".join(parsls_record(key(i), v, protocol) for i, v in enumerate(VALUES)))
    file = ParslFile(path)
    assert (len(file), file.damaged) == (len(VALUES), 0)
    assert values_of(file) == {key(i): value for i, value in enumerate(VALUES)}
    assert file.find(key("another")) is None
    assert sum(entry.size for entry in file.entries()) == path.stat().st_size


def test_our_own_writing(tmp_path: Path) -> None:
    with ParslWriter(tmp_path / "run" / "checkpoint" / "tasks.pkl") as writer:
        for number, value in enumerate(VALUES):
            writer.append(key(number), value)
            writer.append_record(parsl_pickles.record_of_pickle(key(-number - 1), pickle.dumps(value, 5)))
    path = Path(writer.path)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    expected = {key(i): value for i, value in enumerate(VALUES)}
    expected.update({key(-i - 1): value for i, value in enumerate(VALUES)})
    assert values_of(ParslFile(path)) == expected
    with open(path, "rb") as stream:  # the way Parsl reads it
        for _ in range(2 * len(VALUES)):
            entry = pickle.load(stream)
            assert list(entry) == ["hash", "exception", "result"] and entry["exception"] is None
            assert entry["result"] == expected.pop(entry["hash"])
        with pytest.raises(EOFError):
            pickle.load(stream)
    assert not expected


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_value_is_taken_out_and_put_in_without_unpickling(protocol: int) -> None:
    for value in VALUES:
        taken = parsl_pickles.pickle_of_record(parsls_record(key(1), value, protocol))
        assert pickle.loads(taken) == value
        # and back, and by the slow reader, which is strict about frames
        record = parsl_pickles.record_of_pickle(key(1), taken)
        assert pickle._loads(record) == {"hash": key(1), "exception": None, "result": value}  # type: ignore[attr-defined]


def test_the_last_record_of_a_key_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "tasks.pkl", b"".join(parsls_record(key(i % 3), i) for i in range(10)))
    assert values_of(ParslFile(path)) == {key(0): 9, key(1): 7, key(2): 8}


def test_no_records(tmp_path: Path) -> None:
    file = ParslFile(written(tmp_path / "tasks.pkl", b""))
    assert (len(file), list(file.entries()), file.find(key(0))) == (0, [], None)


def make_records(rng: random.Random, count: int = 40) -> list[bytes]:
    values = [
        rng.choice([i, str(i) * rng.randrange(50), rng.randbytes(rng.choice([10, 300, 70_000]))]) for i in range(count)
    ]
    return [parsls_record(key(i), value) for i, value in enumerate(values)]


def quietly(path: Path) -> ParslFile:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)
        return ParslFile(path)


def test_a_file_cut_off_anywhere_keeps_what_is_whole(tmp_path: Path) -> None:
    rng = random.Random(4)
    records = make_records(rng)
    data = b"".join(records)
    ends = [sum(map(len, records[: i + 1])) for i in range(len(records))]
    for _ in range(200):
        cut = rng.randrange(len(data))
        file = quietly(written(tmp_path / "tasks.pkl", data[:cut]))
        whole = sum(end <= cut for end in ends)
        assert {entry.key for entry in file.entries()} == {key(i) for i in range(whole)}
        assert file.damaged == (cut not in (0, *ends))


def test_a_torn_record_costs_nothing_but_itself(tmp_path: Path) -> None:
    rng = random.Random(5)
    for _ in range(300):
        records = make_records(rng, 12)
        torn = rng.randrange(len(records) - 1)
        whole = len(records[torn])
        # such that its length may reach to the very end of the next one, too
        cuts = [rng.randrange(1, whole), whole - rng.randrange(1, 4), max(1, whole - len(records[torn + 1]))]
        records[torn] = records[torn][: rng.choice(cuts)]
        file = quietly(written(tmp_path / "tasks.pkl", b"".join(records)))
        assert values_of(file).keys() == {key(i) for i in range(12) if i != torn}
        assert file.damaged == 1


def values_of_readable(file: ParslFile) -> dict[str, Any]:
    found = {}
    for entry in file.entries():
        try:
            found[entry.key] = file.load(entry)
        except DamagedEntry:
            pass
    return found


def test_flipped_bits_are_never_fatal(tmp_path: Path) -> None:
    rng = random.Random(6)
    records = [parsls_record(key(i), i) for i in range(20)]
    data = b"".join(records)
    for _ in range(200):
        at = rng.randrange(len(data))
        file = quietly(
            written(tmp_path / "tasks.pkl", data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :])
        )
        hit = at // len(records[0])
        found = values_of_readable(file)
        assert {k: v for k, v in found.items() if k != key(hit)}.items() >= {
            key(i): i for i in range(20) if abs(i - hit) > 1
        }.items()


def test_damage_is_one_warning_with_the_path(tmp_path: Path) -> None:
    path = written(tmp_path / "tasks.pkl", parsls_record(key(0), 0) + b"rubbish" + parsls_record(key(1), 1)[:-5])
    with pytest.warns(
        CheckpointWarning, match=r"tasks.pkl: 2 damaged or torn records skipped, 1 results usable"
    ) as seen:
        assert ParslFile(path).damaged == 2
    assert len(seen) == 1


def test_records_that_are_no_results(tmp_path: Path) -> None:
    failure = pickle.dumps({"hash": key(1), "exception": ValueError("no"), "result": None})
    other = pickle.dumps({"rundir": "runinfo/000", "task_count": 3})
    file = quietly(
        written(tmp_path / "tasks.pkl", parsls_record(key(0), 0) + failure + other + parsls_record(key(2), 2))
    )
    assert values_of_readable(file) == {key(0): 0, key(2): 2}


@pytest.mark.parametrize("content", [b"not a checkpoint at all " * 20, pickle.dumps({"rundir": "x"})])
def test_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "tasks.pkl", content)
    with pytest.raises(BadCheckpoint, match=r"Failed to load checkpoint: .*tasks.pkl holds no record"):
        ParslFile(path)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tasks.pkl").mkdir()
    with pytest.raises(BadCheckpoint, match=r"Failed to load checkpoint: .*tasks.pkl: Is a directory"):
        ParslFile(tmp_path / "tasks.pkl")


def test_a_listed_directory_must_have_something(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match=f"^Checkpoint file was not found: {tmp_path}/tasks.pkl. Nothing has been"):
        open_parsl_file(tmp_path)
    with pytest.raises(BadCheckpoint, match=r"^Checkpoint file was not found: .*nowhere/tasks.pkl. There is no dir"):
        open_parsl_file(str(tmp_path / "nowhere"))
    (tmp_path / "run" / "checkpoint").mkdir(parents=True)
    with pytest.raises(BadCheckpoint, match=r"its checkpoint is .*run/checkpoint"):
        open_parsl_file(tmp_path / "run")
    (tmp_path / "x.seg").touch()
    assert open_parsl_file(tmp_path) is None
    path = written(tmp_path / "tasks.pkl", parsls_record(key(0), 0))
    found = open_parsl_file(tmp_path)
    assert found is not None and len(found) == 1
    with pytest.raises(BadCheckpoint, match="is a file, and a checkpoint directory is wanted"):
        open_parsl_file(path)


def test_a_file_that_goes_or_shrinks_is_a_damaged_entry(tmp_path: Path) -> None:
    path = written(tmp_path / "tasks.pkl", parsls_record(key(0), 0) + parsls_record(key(1), "one"))
    file = ParslFile(path)
    last = file.find(key(1))
    assert last is not None
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DamagedEntry, match="the file has become shorter"):
        file.load(last)
    path.write_bytes(b"z" * 1000)
    with pytest.raises(DamagedEntry, match="cannot be unpickled"):
        file.load(last)
    path.unlink()
    with pytest.raises(DamagedEntry, match="cannot be read"):
        file.load(last)


def test_values_are_not_unpickled_by_opening(tmp_path: Path) -> None:
    record = parsls_record(key(0), Reading("a")).replace(b"tests.checkpoint.test_parsl_files", b"x" * 33)
    file = ParslFile(written(tmp_path / "tasks.pkl", record + parsls_record(key(1), 1)))
    entry = file.find(key(0))
    assert entry is not None and (len(file), file.damaged) == (2, 0)
    with pytest.raises(DamagedEntry, match="ModuleNotFoundError: No module named 'xxx"):
        file.load(entry)


def test_parsls_classes_are_ours_here_and_ours_are_parsls_there() -> None:
    record = parsl_pickles.record(key(0), [File("/a/b"), File])
    assert b"parsl_on_dask" not in record and b"parsl.data_provider.files" in record
    file, cls = parsl_pickles.result(record, key(0))
    assert (type(file), file.path, cls) == (File, "/a/b", File)
    # as Parsl writes it
    theirs = pickle.dumps({"hash": key(0), "exception": None, "result": File("/c")}, 0)
    theirs = theirs.replace(b"parsl_on_dask.", b"parsl.")
    assert parsl_pickles.result(theirs, key(0)).path == "/c"


def test_a_value_that_plain_pickle_cannot_do(tmp_path: Path) -> None:
    with ParslWriter(tmp_path / "tasks.pkl") as writer:
        writer.append(key(0), lambda: 42)
        with pytest.raises(TypeError):
            writer.append(key(1), (i for i in ()))
    file = ParslFile(tmp_path / "tasks.pkl")
    entry = file.find(key(0))
    assert entry is not None and file.load(entry)() == 42 and len(file) == 1


def test_a_full_disk_leaves_whole_records(tmp_path: Path) -> None:
    code = os.fork()
    if code == 0:  # the limit is for this process
        status = 1
        try:
            import signal

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
            writer = ParslWriter(tmp_path / "tasks.pkl")
            writer.append(key(0), b"a" * 4000)
            try:
                writer.append(key(1), b"b" * 40_000)
            except OSError as error:
                status = 2 if error.errno != errno.EFBIG else 0
            writer.append(key(2), b"c" * 4000)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(code, 0)[1]) == 0
    file = ParslFile(tmp_path / "tasks.pkl")
    assert (file.damaged, sorted(values_of(file).values())) == (0, [b"a" * 4000, b"c" * 4000])


def test_lists_in_lists() -> None:
    assert flatten_checkpoint_files(None) == flatten_checkpoint_files([[], [[]]]) == []
    assert flatten_checkpoint_files([["a"], "b", (Path("c"),)]) == ["a", "b", "c"]
    with pytest.raises(TypeError, match="checkpoint_files holds 3 of type int"):
        flatten_checkpoint_files(["a", 3])
