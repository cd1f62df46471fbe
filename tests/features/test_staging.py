"""Files that come from elsewhere and go elsewhere, on every executor."""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, python_app
from parsl_on_dask.app.errors import MissingInputs, MissingOutputs, StagingError
from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.data_provider.data_manager import default_staging
from parsl_on_dask.data_provider.file_noop import NoOpFileStaging
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.ftp import FTPInTaskStaging
from parsl_on_dask.data_provider.http import HTTPInTaskStaging, HTTPSeparateTaskStaging
from parsl_on_dask.data_provider.staging import Staging
from parsl_on_dask.data_provider.zip import ZipAuthorityError
from parsl_on_dask.dataflow.errors import DependencyError
from tests.data_provider.servers import Page, WebServer, web_server
from tests.helpers import WAIT, eventually

WARM = True

IN_TASK = [NoOpFileStaging(), HTTPInTaskStaging(timeout=5, retries=0), FTPInTaskStaging()]


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def started(load: Callable[..., Any], make_executor: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """A kernel whose executor puts files into `tmp_path / "wd"`; keywords go to the executor."""

    def start(config: dict[str, Any] | None = None, **options: Any) -> Any:
        options.setdefault("working_dir", str(tmp_path / "wd"))
        return load(executors=[make_executor(**options)], **(config or {}))

    return start


@python_app
def upper(file: Any, inputs: Any = (), outputs: Any = ()) -> Any:
    text = "".join(open(f).read() for f in [*([file] if file else []), *inputs]).upper()
    for output in outputs:
        with open(output, "w") as f:
            f.write(text)
    return text, [f.filepath for f in inputs]


@bash_app
def cat(inputs: Any = (), outputs: Any = (), stdout: Any = None, stderr: Any = None) -> str:
    import shlex

    return (
        f"cat {shlex.join(map(str, inputs))} > {shlex.quote(str(outputs[0]))}" if outputs else "echo out; echo err >&2"
    )


@pytest.mark.parametrize("storage", [None, IN_TASK])
def test_a_file_from_the_web_in_every_place(
    started: Callable[..., Any], web: WebServer, tmp_path: Path, storage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    started(storage_access=storage)
    for name in "abc":
        web.pages[f"/{name}.txt"] = Page(name.encode())
    wd = str(tmp_path / "wd")
    a, b, c = (File(web.url(f"/{name}.txt")) for name in "abc")
    assert upper(a, inputs=[b, c]).result(WAIT) == ("ABC", [f"{wd}/b.txt", f"{wd}/c.txt"])
    assert upper(file=a).result(WAIT)[0] == "A"
    assert a.local_path is b.local_path is None
    cat(inputs=[b, c], outputs=[File(str(tmp_path / "out.txt"))]).result(WAIT)
    assert (tmp_path / "out.txt").read_text() == "bc"
    assert sorted(os.listdir(wd)) == ["a.txt", "b.txt", "c.txt"]
    assert ("submitted for App _http_stage_in" in caplog.text) is (storage is None)


def test_a_file_that_cannot_be_fetched_fails_the_call(
    started: Callable[..., Any], web: WebServer, tmp_path: Path
) -> None:
    started()
    future = upper(File(web.url("/none.txt")))
    with pytest.raises(DependencyError, match=r"http://.*/none.txt cannot be staged in to .*: the server answered 404"):
        future.result(WAIT)
    assert isinstance(future.exception().__cause__, StagingError)
    assert not (tmp_path / "wd" / "none.txt").exists()


def test_and_in_the_task_itself(started: Callable[..., Any], web: WebServer, tmp_path: Path) -> None:
    started(storage_access=IN_TASK)
    future = upper(File(web.url("/none.txt")))
    with pytest.raises(StagingError, match="none.txt cannot be staged in to .*: the server answered 404"):
        future.result(WAIT)
    assert os.listdir(tmp_path / "wd") == []


@pytest.mark.parametrize("storage", [None, IN_TASK])
def test_a_file_that_several_calls_want_is_fetched_once(
    started: Callable[..., Any], web: WebServer, storage: Any
) -> None:
    started(storage_access=storage)
    gate = threading.Event()
    web.pages["/a.txt"] = Page(b"a", gate=gate)
    file = File(web.url("/a.txt"))
    futures = [upper(file) for _ in range(8)] + [upper(None, inputs=[File(web.url("/a.txt"))])]
    eventually(lambda: web.requests, "somebody asks", 60)
    gate.set()
    assert [f.result(WAIT)[0] for f in futures] == ["A"] * 9
    assert web.count("/a.txt") == 1
    # and again, when nobody uses it any more: it may be another one now
    web.pages["/a.txt"].body = b"b"
    assert upper(file).result(WAIT)[0] == "B"
    assert web.count("/a.txt") == 2


@pytest.mark.parametrize("storage", [None, IN_TASK])
def test_files_of_one_name_from_different_places(
    started: Callable[..., Any], web: WebServer, tmp_path: Path, storage: Any
) -> None:
    started(storage_access=storage)
    web.pages |= {"/1/a.txt": Page(b"one"), "/2/a.txt": Page(b"two")}
    text, paths = upper(None, inputs=[File(web.url("/1/a.txt")), File(web.url("/2/a.txt"))]).result(WAIT)
    assert text == "ONETWO" and paths[0] == f"{tmp_path}/wd/a.txt" and os.path.basename(paths[1]) == "a.txt"


@pytest.mark.parametrize("path", ["/", "/a/..", "/a/.", ""])
def test_urls_without_a_file_name_are_refused_at_the_call(
    started: Callable[..., Any], web: WebServer, path: str
) -> None:
    kernel = started()
    with pytest.raises(ValueError, match="is not the name of a file"):
        upper(File(web.url(path)))
    assert not kernel.tasks


def test_a_scheme_that_nobody_stages_is_refused_at_the_call(started: Callable[..., Any], config_name: str) -> None:
    started()
    with pytest.raises(ValueError, match=rf"Executor {config_name} cannot stage file .*schemes: file .*http.*zip"):
        upper(File("s3://bucket/key"))
    with pytest.raises(ValueError, match=rf"Executor {config_name} cannot stage out file .*schemes: file .*zip"):
        cat(outputs=[File("https://example.org/a.txt")])


def test_a_cached_call_with_a_file_that_its_task_brings(
    started: Callable[..., Any], web: WebServer, tmp_path: Path
) -> None:
    started(storage_access=IN_TASK)
    web.pages["/a.txt"] = Page(b"a")

    @python_app(cache=True)
    def first(file: Any) -> str:
        return "first " + open(file).read()

    @python_app(cache=True)
    def second(file: Any) -> str:
        return "second " + open(file).read()

    file = File(web.url("/a.txt"))
    assert [first(file).result(WAIT), second(file).result(WAIT), first(file).result(WAIT)] == [
        "first a",
        "second a",
        "first a",
    ]
    assert web.count("/a.txt") == 2


# ---------------------------------------------------------------- zip files


def test_through_a_zip_file(started: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    started()
    (tmp_path / "in.txt").write_text("hello")
    member = File(f"zip:{tmp_path}/a.zip/deep/er/out.txt")
    made = upper(File(str(tmp_path / "in.txt")), outputs=[member])
    assert isinstance(made.outputs[0], DataFuture)
    assert upper(made.outputs[0]).result(WAIT)[0] == "HELLO"
    assert made.outputs[0].result() is member and member.local_path is None
    with zipfile.ZipFile(tmp_path / "a.zip") as z:
        assert z.namelist() == ["deep/er/out.txt"] and z.read("deep/er/out.txt") == b"HELLO"
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "in.txt", "wd"]
    assert "App _zip_stage_in" in caplog.text and "App _zip_stage_out" in caplog.text


def test_many_calls_write_into_one_zip_file(started: Callable[..., Any], tmp_path: Path) -> None:
    started()
    (tmp_path / "in.txt").write_text("hello")
    files = [File(f"zip:{tmp_path}/a.zip/{i}.txt") for i in range(20)]
    made = [upper(File(str(tmp_path / "in.txt")), outputs=[file]) for file in files]
    for future in made:
        future.outputs[0].result(WAIT)
    with zipfile.ZipFile(tmp_path / "a.zip") as z:
        assert sorted(z.namelist()) == sorted(f"{i}.txt" for i in range(20)) and z.testzip() is None
    assert os.listdir(tmp_path / "wd") == []


def test_stdout_and_stderr_into_a_zip_file(started: Callable[..., Any], tmp_path: Path) -> None:
    started()
    future = cat(stdout=File(f"zip:{tmp_path}/a.zip/x/out"), stderr=File(f"zip:{tmp_path}/a.zip/x/err"))
    assert isinstance(future.stdout, DataFuture)
    future.stdout.result(WAIT)
    future.stderr.result(WAIT)
    with zipfile.ZipFile(tmp_path / "a.zip") as z:
        assert z.read("x/out") == b"out\n" and z.read("x/err").endswith(b"err\n")


def test_one_name_in_two_zip_files(started: Callable[..., Any], tmp_path: Path) -> None:
    started()
    (tmp_path / "in.txt").write_text("hello")
    files = [File(f"zip:{tmp_path}/{i}.zip/x.txt") for i in range(3)]
    made = upper(File(str(tmp_path / "in.txt")), outputs=files)
    assert upper(None, inputs=made.outputs).result(WAIT)[0] == "HELLO" * 3


@pytest.mark.parametrize(
    ("url", "error", "text"),
    [
        ("zip:{}/a.zip/../x", ValueError, "is not the name of a file below"),
        ("zip:{}/a.zip//etc/x", ValueError, "is not the name of a file below"),
        ("zip:{}/a.zip/", ValueError, "names no file in a zip file"),
        ("zip:{}/a.tar/x", ValueError, "names no file in a zip file"),
        ("zip://host{}/a.zip/x", ZipAuthorityError, "write zip:/path"),
    ],
)
def test_zip_urls_that_cannot_be_are_refused_at_the_call(
    started: Callable[..., Any], tmp_path: Path, url: str, error: Any, text: str
) -> None:
    started()
    for call in (upper, lambda f: cat(outputs=[f])):
        with pytest.raises(error, match=text):
            call(File(url.format(tmp_path)))


def test_zip_files_need_a_working_dir(started: Callable[..., Any], tmp_path: Path) -> None:
    started(working_dir=None)
    with pytest.raises(RuntimeError, match="zip file staging requires a working_dir"):
        cat(outputs=[File(f"zip:{tmp_path}/a.zip/x")])


def test_what_is_not_in_a_zip_file(started: Callable[..., Any], tmp_path: Path) -> None:
    started()
    (tmp_path / "b.zip").write_text("no zip file")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.writestr("there", "x")
    for name, text in [
        ("a.zip/none", "there is no 'none' in the zip file: '.*a.zip'"),
        ("c.zip/none", "there is no such zip file: '.*c.zip'"),
        ("b.zip/none", "File is not a zip file"),
    ]:
        with pytest.raises(DependencyError, match=text):
            upper(File(f"zip:{tmp_path}/{name}")).result(WAIT)
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "b.zip", "wd"] and os.listdir(tmp_path / "wd") == []


def test_an_output_that_was_not_written_is_not_zipped(started: Callable[..., Any], tmp_path: Path) -> None:
    started()

    @python_app
    def nothing(outputs: Any = ()) -> int:
        return 1

    future = nothing(outputs=[File(f"zip:{tmp_path}/a.zip/x")])
    assert future.result(WAIT) == 1
    with pytest.raises(StagingError, match=r"a.zip/x cannot be staged out from .*wd/x.*: the app has not written it"):
        future.outputs[0].result(WAIT)
    assert not (tmp_path / "a.zip").exists()


# ---------------------------------------------------------------- what has to be there


def test_a_missing_input_is_named_before_the_command_runs(started: Callable[..., Any], tmp_path: Path) -> None:
    started()
    (tmp_path / "there").write_text("x")

    @bash_app
    def process(inputs: Any = ()) -> str:
        return f"touch {inputs[0].filepath}.ran"

    there, none, link = (File(str(tmp_path / n)) for n in ("there", "none it is", "link"))
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(MissingInputs, match=rf"app process has not run .*there is no '{none}', '{link}' on host") as e:
        process(inputs=[there, none, link]).result(WAIT)
    assert [f.url for f in e.value.inputs] == [none.url, link.url]
    assert isinstance(e.value, FileNotFoundError)
    assert not (tmp_path / "there.ran").exists()
    assert process(inputs=[there, "no file", 3]).result(WAIT) == 0


def test_missing_outputs_of_a_bash_app_are_named(started: Callable[..., Any], tmp_path: Path) -> None:
    started()

    @bash_app
    def make(outputs: Any = ()) -> str:
        return f"touch {outputs[0]}"

    files = [File(str(tmp_path / n)) for n in ("one", "two")]
    future = make(outputs=files)
    with pytest.raises(MissingOutputs, match="url=.*two.*app make") as e:
        future.result(WAIT)
    assert [f.url for f in e.value.outputs] == [files[1].url]
    with pytest.raises(MissingOutputs):
        future.outputs[0].result(WAIT)


def fails_to_write(outputs: Any = (), value: int = 5) -> int:
    return value


def test_outputs_of_python_apps_are_checked_when_asked_for(started: Callable[..., Any], tmp_path: Path) -> None:
    started()
    files = [File(str(tmp_path / "one"))]
    assert python_app(fails_to_write)(outputs=files).result(WAIT) == 5
    checked = python_app(fails_to_write, check_outputs=True)
    with pytest.raises(MissingOutputs, match="app fails_to_write"):
        checked(outputs=files).result(WAIT)
    assert checked().result(WAIT) == 5
    (tmp_path / "one").touch()
    assert checked(outputs=files, value=6).result(WAIT) == 6


def test_or_for_all_apps(started: Callable[..., Any], tmp_path: Path, web: WebServer) -> None:
    started({"check_outputs": True})
    web.pages["/a.txt"] = Page(b"a")
    with pytest.raises(MissingOutputs, match="app fails_to_write"):
        python_app(fails_to_write)(outputs=[File(str(tmp_path / "one"))]).result(WAIT)
    out = File(str(tmp_path / "out"))
    assert upper(File(web.url("/a.txt")), outputs=[out]).outputs[0].result(WAIT) is out


def test_outputs_are_files(started: Callable[..., Any], tmp_path: Path) -> None:
    started()
    made = upper(None, outputs=[File(str(tmp_path / "out.txt"))])
    for wrong, instead in (("out.txt", r"write File\('out.txt'\)"), (made.outputs[0], "its file_obj is one")):
        with pytest.raises(TypeError, match=f"outputs of app 'upper' must be File objects, not .*: {instead}"):
            upper(None, outputs=[wrong])
    assert upper(None, outputs=[made.outputs[0].file_obj]).result(WAIT) == ("", [])


def test_storage_access_is_checked(make_executor: Callable[..., Any]) -> None:
    with pytest.raises(parsl.errors.ConfigurationError, match=r"storage_access=\[HTTPInTaskStaging\(\)\]"):
        make_executor(storage_access=[HTTPInTaskStaging])
    make_executor(storage_access=default_staging, working_dir=Path("/tmp"))
    assert HTTPSeparateTaskStaging().timeout == 30


# ---------------------------------------------------------------- providers of one's own


class Archive(Staging):
    """Files of an archive that is a directory, brought and taken by tasks or in the app's own."""

    def __init__(self, folder: str, tasks: bool) -> None:
        self.folder = folder
        self.tasks = tasks

    def can_stage_in(self, file: File) -> bool:
        return file.scheme == "archive"

    def can_stage_out(self, file: File) -> bool:
        return file.scheme == "archive"

    def stage_in(self, dm: Any, executor: str, file: File, parent_fut: Any) -> Any:
        file.local_path = f"{dm.dfk.executors[executor].working_dir}/in-{file.filename}"
        if not self.tasks:
            return None
        bring = python_app(move, executors=[executor], data_flow_kernel=dm.dfk)
        kept = self.folder + file.path
        return bring(kept, outputs=[file], parent_fut=parent_fut, _parsl_staging_inhibit=True).outputs[0]

    def stage_out(self, dm: Any, executor: str, file: File, app_fu: Any) -> Any:
        file.local_path = f"{dm.dfk.executors[executor].working_dir}/out-{file.filename}"
        if not self.tasks:
            return None
        take = python_app(move, executors=[executor], data_flow_kernel=dm.dfk)
        return take(file, outputs=[File(self.folder + file.path)], parent_fut=app_fu, _parsl_staging_inhibit=True)

    def replace_task(self, dm: Any, executor: str, file: File, func: Any) -> Any:
        kept = self.folder + file.path

        def brought(*args: Any, **kwargs: Any) -> Any:
            move(kept, outputs=[file])
            return func(*args, **kwargs)

        return None if self.tasks else brought

    def replace_task_stage_out(self, dm: Any, executor: str, file: File, func: Any) -> Any:
        kept = self.folder + file.path

        def taken(*args: Any, **kwargs: Any) -> Any:
            result = func(*args, **kwargs)
            move(file, outputs=[File(kept)])
            return result

        return None if self.tasks else taken


def move(source: Any, outputs: Any = (), parent_fut: Any = None, _parsl_staging_inhibit: bool = True) -> None:
    import shutil

    shutil.copy(source, outputs[0])


@pytest.mark.parametrize("tasks", [True, False])
def test_a_provider_of_ones_own(started: Callable[..., Any], tmp_path: Path, tasks: bool) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "wd").mkdir()
    (tmp_path / "archive" / "a").write_text("hello")
    started(storage_access=[Archive(str(tmp_path / "archive"), tasks), NoOpFileStaging()])
    made = cat(inputs=[File("archive:/a")], outputs=[File("archive:/b")])
    done = upper(made.outputs[0], outputs=[File("archive:/c")])
    assert done.outputs[0].result(WAIT).url == "archive:/c"
    assert (tmp_path / "archive" / "c").read_text() == "HELLO"
    assert sorted(os.listdir(tmp_path / "wd")) == ["in-a", "in-b", "out-b", "out-c"]


@parsl.join_app
def through(file: Any) -> Any:
    return upper(None, inputs=[file])


def test_a_file_of_a_join_app(
    started: Callable[..., Any], web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    started(storage_access=IN_TASK)
    web.pages["/a.txt"] = Page(b"a")
    assert through(File(web.url("/a.txt"))).result(WAIT)[0] == "A"
