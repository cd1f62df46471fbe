"""Names that are no easy names, things that are no files, disks that are full and directories that are closed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import bash_app, python_app
from parsl_on_dask.app.errors import BadStdStreamFile, StagingError
from parsl_on_dask.data_provider.file_noop import NoOpFileStaging
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.http import HTTPInTaskStaging
from parsl_on_dask.data_provider.zip import ZipFileStaging
from tests import kernels
from tests.data_provider.servers import Page, WebServer, web_server
from tests.helpers import WAIT

WARM = True

NAMES = [
    "two words.txt",
    "quotes '\".txt",
    "line\nbreak.txt",
    "ünïcödé 数据.txt",
    "-rf",
    "$(touch hacked); *?.txt",
    "hash#query?.txt",
    "100%25.txt",
    "back\\slash.txt",
]


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture(scope="module")
def working_dir(config_name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wd")


@pytest.fixture(scope="module")
def kernel(make_config: Callable[..., Any], make_executor: Callable[..., Any], working_dir: Path) -> Iterator[Any]:
    storage = [NoOpFileStaging(), HTTPInTaskStaging(timeout=5, retries=0), ZipFileStaging()]
    executor = make_executor(working_dir=str(working_dir), storage_access=storage)
    yield kernels.load(make_config(executors=[executor]))
    kernels.unload()


@bash_app
def copy(inputs: Any = (), outputs: Any = (), stdout: Any = None) -> str:
    import shlex

    return f"cat -- {shlex.quote(str(inputs[0]))} | tee -- {shlex.quote(str(outputs[0]))}"


@python_app
def read(file: Any) -> tuple[str, str]:
    return os.path.basename(file), open(file).read()


@pytest.mark.parametrize("name", NAMES)
def test_any_name_that_a_file_can_have(kernel: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello")
    done = copy(
        inputs=[File(tmp_path / name)],
        outputs=[File(str(tmp_path / f"of {name}"))],
        stdout=str(tmp_path / f"out {name}"),
    )
    assert read(done.outputs[0]).result(WAIT) == (f"of {name}", "hello")
    assert sorted(os.listdir(tmp_path)) == sorted([name, f"of {name}", f"out {name}"])
    assert (tmp_path / f"out {name}").read_text() == "hello"


@pytest.mark.parametrize("name", NAMES)
def test_also_in_zip_files(kernel: Any, tmp_path: Path, working_dir: Path, name: str) -> None:
    (tmp_path / "in").write_text("hello")
    member = File(f"zip:{tmp_path}/a.zip/d/{name}")
    done = copy(inputs=[File(tmp_path / "in")], outputs=[member])
    assert read(done.outputs[0]).result(WAIT) == (name, "hello")
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "in"]


@pytest.mark.parametrize("name", ["two words.txt", "ünïcödé 数据.txt", "quotes '.txt", "-rf", "100%25.txt"])
def test_and_from_the_web(kernel: Any, web: WebServer, name: str) -> None:
    from urllib.parse import quote

    web.pages["/" + quote(name, safe="%'")] = Page(b"hello")
    assert read(File(web.url(f"/{name}"))).result(WAIT) == (name, "hello")


def test_a_directory_where_a_file_should_land(kernel: Any, web: WebServer, working_dir: Path) -> None:
    web.pages["/taken"] = Page(b"hello")
    (working_dir / "taken").mkdir(exist_ok=True)
    with pytest.raises(StagingError, match="there is a directory where a file is to be written: '.*taken'"):
        read(File(web.url("/taken"))).result(WAIT)
    assert os.listdir(working_dir / "taken") == []


def test_a_directory_where_the_app_should_have_written_a_file(kernel: Any, tmp_path: Path) -> None:
    @python_app
    def make(outputs: Any = ()) -> None:
        os.makedirs(outputs[0])

    future = make(outputs=[File(f"zip:{tmp_path}/a.zip/folder")])
    with pytest.raises(StagingError, match="there is a directory where the app should have written a file"):
        future.outputs[0].result(WAIT)
    assert os.listdir(tmp_path) == []


def test_a_directory_may_be_a_local_output(kernel: Any, tmp_path: Path) -> None:
    @bash_app
    def make(outputs: Any = ()) -> str:
        return f"mkdir {outputs[0]}"

    folder = File(str(tmp_path / "folder"))
    assert make(outputs=[folder]).outputs[0].result(WAIT) is folder


def test_a_directory_as_stdout(kernel: Any, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("hello")
    with pytest.raises(BadStdStreamFile, match=str(tmp_path)):
        copy(inputs=[File(tmp_path / "in")], outputs=[File(tmp_path / "o")], stdout=str(tmp_path)).result(WAIT)


def test_links_are_followed_where_they_are_read_and_replaced_where_files_land(
    kernel: Any, web: WebServer, tmp_path: Path, working_dir: Path
) -> None:
    web.pages["/landed"] = Page(b"new")
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "link").symlink_to("precious")
    assert read(File(tmp_path / "link")).result(WAIT) == ("link", "precious")
    (working_dir / "landed").symlink_to(tmp_path / "precious")
    assert read(File(web.url("/landed"))).result(WAIT) == ("landed", "new")
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.fixture
def small_disk(kernel: Any, working_dir: Path) -> Iterator[Path]:
    """A file system of 256 KiB below the working directory, where ``zip:`` members named small/... land."""
    folder = working_dir / "small"
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "small", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs a full disk: run as root, who can mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_no_space_left(small_disk: Path, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.writestr("small/big.bin", os.urandom(1_000_000))
        z.writestr("small/fits.bin", "hello")
    with pytest.raises(Exception, match=r"No space left on device: '.*/small/big.bin'"):
        read(File(f"zip:{tmp_path}/a.zip/small/big.bin")).result(WAIT)
    assert os.listdir(small_disk) == []
    assert read(File(f"zip:{tmp_path}/a.zip/small/fits.bin")).result(WAIT) == ("fits.bin", "hello")
    assert os.listdir(small_disk) == ["fits.bin"]


def test_a_directory_that_is_closed(small_disk: Path, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.writestr("small/x", "hello")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(Exception, match=r"cannot be staged in to .*Read-only file system: '.*/small/x'"):
        read(File(f"zip:{tmp_path}/a.zip/small/x")).result(WAIT)
