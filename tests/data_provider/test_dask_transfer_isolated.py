"""Files between a script and workers, none of which sees the others' disks."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask
from parsl_on_dask import bash_app, python_app
from parsl_on_dask.app.errors import BashExitFailure, MissingOutputs, StagingError
from parsl_on_dask.config import Config
from parsl_on_dask.data_provider.dask_transfer import DaskTransferStaging, exchange_of
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.executors import DaskExecutor, ThreadPoolExecutor
from tests import kernels
from tests.data_provider.nothing_shared import Cluster, Peaks, cluster
from tests.helpers import WAIT, eventually, hold

ON_A, ON_B = {"workers": ["a"]}, {"workers": ["b"]}


@bash_app
def upper(inputs: Any = (), outputs: Any = (), stdout: Any = None, parsl_resource_specification: Any = None) -> str:
    return f"tr a-z A-Z < '{inputs[0]}' > '{outputs[0]}'; pwd"


@python_app
def write(size: int, outputs: Any = (), parsl_resource_specification: Any = None) -> str:
    with open(outputs[0], "wb") as f:
        f.truncate(size)
        for at in range(0, size, 1 << 24):
            f.seek(at)
            f.write(b"%d " % at)
    return str(outputs[0].filepath)


@python_app
def look(file: Any, parsl_resource_specification: Any = None) -> tuple[str, int, bytes]:
    with open(file, "rb") as f:
        return file.filepath, os.path.getsize(file), f.read(100)


@pytest.fixture(scope="module")
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("isolated"), "a", "b") as made:
        yield made


@pytest.fixture
def load(
    isolated: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., DaskTransferStaging]]:
    monkeypatch.chdir(tmp_path)

    def start(retries: int = 0, more: Any = (), **options: Any) -> DaskTransferStaging:
        staging = DaskTransferStaging(**options)
        executor = DaskExecutor(isolated.address, storage_access=[staging])
        kernels.load(Config(executors=[executor, *more], run_dir=str(tmp_path / "runinfo"), retries=retries))
        return staging

    yield start
    kernels.unload()
    assert not [each.files_of(name) for each in [isolated] for name in each.workers if each.files_of(name)]


def test_there_and_back(load: Any, isolated: Cluster, tmp_path: Path) -> None:
    load()
    (tmp_path / "in.txt").write_text("hello")
    future = upper(inputs=[File("in.txt")], outputs=[File("new/out.txt")], stdout=File("said.txt"))
    assert future.result(WAIT) == 0
    assert Path("new/out.txt").read_text() == "HELLO"
    assert Path("said.txt").read_text().strip() == str(isolated.private / "home")
    assert future.outputs[0].result().filepath == "new/out.txt"
    assert not any(isolated.private.iterdir()), "the script sees nothing there"


def test_from_worker_to_worker(load: Any, isolated: Cluster, tmp_path: Path) -> None:
    load()
    made = write(10_000_000, outputs=[File("worker:made.bin")], parsl_resource_specification=ON_A)
    path, size, begin = look(made.outputs[0], parsl_resource_specification=ON_B).result(WAIT)
    assert size == 10_000_000 and begin[:2] == b"0 "
    assert path.startswith(str(isolated.private)) and not os.path.exists(path) and path != made.result()
    assert isolated.files_of("a") == isolated.files_of("b") == ["made.bin"]
    assert sorted(os.listdir()) == ["runinfo"], "it did not come here"


def test_what_nobody_refers_to_is_removed_from_the_workers(
    load: Any, isolated: Cluster, request: pytest.FixtureRequest
) -> None:
    load()
    gc.disable()
    request.addfinalizer(gc.enable)
    made = write(1000, outputs=[File("worker:made.bin")], parsl_resource_specification=ON_A)
    look(made.outputs[0], parsl_resource_specification=ON_B).result(WAIT)
    assert isolated.files_of("a") == isolated.files_of("b") == ["made.bin"]
    del made
    eventually(lambda: isolated.files_of("a") == isolated.files_of("b") == [], "the files were removed")


def test_a_file_stays_as_long_as_a_task_waits_for_it(load: Any, isolated: Cluster, gate: str) -> None:
    load()
    held = python_app(hold)(gate + "-started", gate, 1)
    made = write(1000, outputs=[File("worker:made.bin")])
    looks = python_app(_look_later)(held, made.outputs[0])
    made.result(WAIT)
    del made
    eventually(lambda: isolated.files_of("a") + isolated.files_of("b"), "the file was made")
    Path(gate).touch()
    assert looks.result(WAIT) == 1000


def _look_later(_: Any, file: Any) -> int:
    return os.path.getsize(file)


def test_brought_on_request(load: Any, tmp_path: Path) -> None:
    staging = load()
    made = write(5_000_000, outputs=[File("worker:made.bin")])
    assert staging.fetch(made.outputs[0], tmp_path / "here.bin") == str(tmp_path / "here.bin")
    assert os.path.getsize("here.bin") == 5_000_000
    with pytest.raises(ValueError, match="not an output that DaskTransferStaging moves"):
        staging.fetch(look("nowhere").outputs, "x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["with space", "quo'te\"s", "new\nline", "grüße-\u96ea", "-rf", "$HOME;true", "%41#b?c"]
)
def test_names(load: Any, tmp_path: Path, name: str) -> None:
    load()
    Path(name).write_text("hello")
    assert look(File(Path(name))).result(WAIT)[1:] == (5, b"hello")
    made = write(3, outputs=[File(Path("out " + name))])
    assert os.path.basename(made.result(WAIT)) == "out " + name
    assert Path("out " + name).stat().st_size == 3


def test_a_changed_file_is_sent_again_an_unchanged_one_is_not(load: Any, isolated: Cluster) -> None:
    load()
    Path("in.txt").write_text("one")
    first = look(File("in.txt"), parsl_resource_specification=ON_A).result(WAIT)
    again = look(File("in.txt"), parsl_resource_specification=ON_A).result(WAIT)
    Path("in.txt").write_text("two!")
    assert look(File("in.txt"), parsl_resource_specification=ON_A).result(WAIT)[2] == b"two!"
    assert first[2] == again[2] == b"one"


def test_scripts_stay_executable(load: Any) -> None:
    load()
    Path("tool.sh").write_text("#!/bin/sh\necho from the tool\n")
    os.chmod("tool.sh", 0o755)

    @bash_app
    def run(tool: Any, stdout: Any = None) -> str:
        return f"{tool}"

    assert run(File("tool.sh"), stdout=File("said.txt")).result(WAIT) == 0
    assert Path("said.txt").read_text() == "from the tool\n"


def test_output_streams_of_a_failed_app_come_back(load: Any) -> None:
    load()

    @bash_app
    def fails(outputs: Any = (), stderr: Any = None) -> str:
        return f"echo half > {outputs[0]}; echo the reason >&2; exit 3"

    failed = fails(outputs=[File("out.txt")], stderr=File("err.txt"))
    with pytest.raises(BashExitFailure):
        failed.result(WAIT)
    assert "the reason" in Path("err.txt").read_text()
    assert not os.path.exists("out.txt")
    with pytest.raises(BashExitFailure):
        failed.outputs[0].result(WAIT)


def test_bad_files(load: Any, tmp_path: Path) -> None:
    load()
    Path("in.txt").write_text("hello")
    with pytest.raises(StagingError, match=f"(?s)missing.txt cannot .*where the script runs.*{tmp_path}.*app 'look'"):
        look(File("missing.txt")).result(WAIT)
    with pytest.raises(IsADirectoryError, match="pack it"):
        look(File(str(tmp_path)))
    with pytest.raises(FileNotFoundError, match="no task is going to make it.*outputs"):
        look(File("worker:never.txt"))
    with pytest.raises(IsADirectoryError, match="names a directory"):
        write(1, outputs=[File("worker:a/..")])
    os.mkdir("taken")
    with pytest.raises(StagingError, match=f"it could not be written to {tmp_path}/taken.*directory"):
        write(1, outputs=[File("taken")]).result(WAIT)

    @python_app
    def forgets(outputs: Any = ()) -> None:
        pass

    with pytest.raises(MissingOutputs, match="forgets"):
        forgets(outputs=[File("out.txt")]).result(WAIT)

    @python_app
    def makes_a_directory(outputs: Any = ()) -> None:
        os.mkdir(outputs[0])

    with pytest.raises(StagingError, match="out.txt cannot be staged out .*pack it"):
        makes_a_directory(outputs=[File("out.txt")]).result(WAIT)
    assert sorted(os.listdir()) == ["in.txt", "runinfo", "taken"], "no halves are left"


def test_no_space_here(load: Any, tmp_path: Path) -> None:
    load()
    with pytest.raises(StagingError, match=r"(?s)/dev/full/x cannot be staged out.*app 'write'"):
        write(1, outputs=[File("/dev/full/x")]).result(WAIT)


def test_an_input_that_changes_before_it_is_sent(load: Any, gate: str) -> None:
    load()
    Path("in.txt").write_text("one")
    held = python_app(hold)(gate + "-started", gate)
    late = python_app(_look_later)(held, File("in.txt"))
    Path("in.txt").write_text("other")
    Path(gate).touch()
    with pytest.raises(StagingError, match=r"in.txt was changed between the call of the app and now"):
        late.result(WAIT)


def test_a_file_that_is_made_after_the_call(load: Any, gate: str) -> None:
    load()
    held = python_app(hold)(gate + "-started", gate)
    late = python_app(_look_later)(held, File("later.txt"))
    Path("later.txt").write_text("12345")
    Path(gate).touch()
    assert late.result(WAIT) == 5


def test_an_executor_of_threads_has_the_files_of_the_workers(load: Any, tmp_path: Path) -> None:
    shared = DaskTransferStaging()
    load(more=[ThreadPoolExecutor(label="here", storage_access=[shared])])
    here = python_app(_size_of, executors=["here"])
    there = python_app(_size_of, executors=["dask"])
    made = python_app(_make, executors=["dask"])(outputs=[File("worker:there.bin"), File("brought.bin")])
    assert here(made.outputs[0]).result(WAIT) == here(made.outputs[1]).result(WAIT) == 7
    mine = python_app(_make, executors=["here"])(outputs=[File("worker:mine.bin"), File("written.bin")])
    assert there(mine.outputs[0]).result(WAIT) == there(mine.outputs[1]).result(WAIT) == 7


def _make(outputs: Any = ()) -> None:
    for each in outputs:
        with open(each, "w") as f:
            f.write("content")


def _size_of(file: Any) -> int:
    return os.path.getsize(file)


def test_a_cached_result_has_its_files_from_the_earlier_run(load: Any) -> None:
    load()
    make = python_app(_make, cache=True)
    make(outputs=[File("out.bin")]).result(WAIT)
    again = make(outputs=[File("out.bin")])
    assert look(again.outputs[0]).result(WAIT)[1] == 7
    assert again.task_record["from_memo"]


def test_many_tasks_of_a_host_fetch_a_file_once(load: Any, isolated: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from parsl_on_dask.data_provider import dask_transfer_cluster

    sent: list[str] = []
    push = dask_transfer_cluster.push

    def counted(request: Any, key: str, path: str, *args: Any) -> Any:
        sent.append(path)
        return push(request, key, path, *args)

    monkeypatch.setattr(dask_transfer_cluster, "push", counted)
    load()
    Path("in.bin").write_bytes(os.urandom(9_000_000))
    futures = [look(File("in.bin"), parsl_resource_specification=[ON_A, ON_B][i % 2]) for i in range(20)]
    assert {f.result(WAIT)[1] for f in futures} == {9_000_000}
    assert len(sent) == 1, "to one worker, and the other one had it from there"


# -- large files, and faults -------------------------------------------------------------------------------------------


@pytest.mark.extended
@pytest.mark.timeout(600)
def test_a_very_large_file_in_little_memory(load: Any, isolated: Cluster, tmp_path: Path) -> None:
    """As large as PARSL_ON_DASK_LARGE says, in GB; what was tried is 2."""
    load()
    size, limit = int(float(os.environ.get("PARSL_ON_DASK_LARGE", "0.5")) * (1 << 30)), 100 << 20
    with open("in.bin", "wb") as f:
        f.truncate(size)
        for at in range(0, size, 1 << 28):
            f.seek(at + 5)
            f.write(b"mark %d" % at)

    @python_app
    def again(file: Any, outputs: Any = (), parsl_resource_specification: Any = None) -> str:
        os.rename(file, outputs[0])
        return str(outputs[0].filepath)

    look("nowhere", parsl_resource_specification=ON_B).exception(WAIT)  # both have begun to work
    look("nowhere", parsl_resource_specification=ON_A).exception(WAIT)
    with Peaks(script=os.getpid(), **{name: isolated.workers[name].pid for name in "ab"}) as peaks:
        there = again(File("in.bin"), outputs=[File("worker:a.bin")], parsl_resource_specification=ON_A)
        back = again(there.outputs[0], outputs=[File("out.bin")], parsl_resource_specification=ON_B)
        back.result(WAIT * 5)
    print({name: above >> 20 for name, above in peaks.above.items()}, "MB")
    with open("in.bin", "rb") as sent, open("out.bin", "rb") as came:
        while chunk := sent.read(1 << 24):
            assert came.read(1 << 24) == chunk
        assert not came.read(1)
    os.unlink("out.bin")
    assert max(peaks.above.values()) < limit, peaks.above


def test_a_file_that_was_lost_with_its_worker(load: Any, isolated: Cluster) -> None:
    load()
    isolated.add("c")
    isolated.wait()
    made = write(1000, outputs=[File("worker:made.bin")], parsl_resource_specification={"workers": ["c"]})
    made.result(WAIT)
    isolated.kill("c")
    with pytest.raises(StagingError, match=r"(?s)worker:made.bin cannot be staged in.*is lost.*Run that task again"):
        look(made.outputs[0], parsl_resource_specification=ON_A).result(WAIT)


def test_a_file_that_the_script_has_survives_its_worker(load: Any, isolated: Cluster) -> None:
    load()
    isolated.add("c")
    isolated.wait()
    made = write(1000, outputs=[File("kept.bin")], parsl_resource_specification={"workers": ["c"]})
    made.result(WAIT)
    isolated.kill("c")
    assert look(made.outputs[0], parsl_resource_specification=ON_A).result(WAIT)[1] == 1000


def test_a_worker_that_dies_while_its_output_is_brought(
    load: Any, isolated: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app has not succeeded then, and is run again as for any other loss of a worker."""
    from parsl_on_dask.data_provider import dask_transfer_cluster

    pulls: list[str] = []
    pull = dask_transfer_cluster.pull

    def killing(request: Any, key: str, *args: Any) -> None:
        pulls.append(key)
        if len(pulls) == 1:
            isolated.kill("c")
        pull(request, key, *args)

    monkeypatch.setattr(dask_transfer_cluster, "pull", killing)
    load(retries=1)
    isolated.add("c")
    isolated.wait()
    made = write(50_000_000, outputs=[File("out.bin")], parsl_resource_specification={"workers": ["c"]})
    eventually(lambda: pulls, "it is being brought", WAIT)
    isolated.add("c")
    isolated.wait()
    made.result(WAIT)
    assert len(pulls) >= 2 and made.task_record["try_id"] == 1
    assert os.path.getsize("out.bin") == 50_000_000
    isolated.kill("c")


def test_a_connection_that_breaks_again_and_again(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from parsl_on_dask.remote import chunks

    count = 0
    ask = chunks.WorkerConnection.ask

    async def breaking(self: Any, message: Any, timeout: Any = None) -> Any:
        nonlocal count
        if message["do"] in ("put", "read"):
            count += 1
            if count % 3 == 0:
                self.close()
                raise OSError("cut")
        answer = await ask(self, message, timeout)
        if "data" in answer and count % 5 == 0:
            answer["data"] = b"?" + answer["data"][1:]
        return answer

    monkeypatch.setattr(chunks.WorkerConnection, "ask", breaking)
    monkeypatch.setattr(chunks, "PAUSE", 0.01)
    load()
    Path("in.bin").write_bytes(data := os.urandom(40_000_000))
    echo = python_app(_copy)
    echo(File("in.bin"), outputs=[File("out.bin")]).result(WAIT)
    assert Path("out.bin").read_bytes() == data and count > 20


def _copy(file: Any, outputs: Any = ()) -> None:
    import shutil

    shutil.copy(file, outputs[0])


def test_workers_that_only_the_scheduler_can_reach(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed.comm import core

    async def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("no route to host")

    load()
    assert look("nowhere").exception(WAIT)  # the lane has its connections
    monkeypatch.setattr(core, "connect", refuse)
    Path("in.bin").write_bytes(data := os.urandom(10_000_000))
    copied = python_app(_copy)(File("in.bin"), outputs=[File("out.bin")])
    copied.result(WAIT)
    assert Path("out.bin").read_bytes() == data
    assert look(copied.outputs[0]).result(WAIT)[1] == len(data)
    [transfers] = exchange_of(parsl_on_dask.dfk().data_manager).clusters.values()
    eventually(lambda: not transfers.held, "no connection is tried any more")
    load.kept = copied  # so its file is still there when the run ends


def test_nothing_stays_when_the_script_is_killed(script: Any, isolated: Cluster) -> None:
    started = script(
        f"""
        import parsl_on_dask as parsl, time
        from parsl_on_dask import python_app
        from parsl_on_dask.data_provider.dask_transfer import DaskTransferStaging
        from parsl_on_dask.data_provider.files import File

        @python_app
        def make(outputs=()):
            open(outputs[0], "w").write("x")

        executor = parsl.DaskExecutor({isolated.address!r}, storage_access=[DaskTransferStaging()])
        parsl.load(parsl.Config(executors=[executor]))
        made = make(outputs=[File("worker:made.bin")])
        made.result()
        print("made", flush=True)
        time.sleep(300)
        """
    )
    started.said("made")
    assert isolated.files_of("a") + isolated.files_of("b") == ["made.bin"]
    started.kill()
    eventually(lambda: not isolated.files_of("a") + isolated.files_of("b"), "the workers have tidied up", 90)
