"""Files on the file systems of fsspec: real S3 and SSH servers, and what goes wrong with them."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import bash_app, python_app
from parsl_on_dask.app.errors import BashExitFailure, MissingOutputs, StagingError
from parsl_on_dask.config import Config
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.fsspec_staging import FsspecStaging
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import ThreadPoolExecutor
from tests import kernels
from tests.data_provider.fsspec_servers import need, s3_server, ssh_server
from tests.helpers import WAIT

WARM = True


@bash_app
def upper(inputs: Any = (), outputs: Any = (), stdout: Any = None) -> str:
    return f"tr a-z A-Z < '{inputs[0]}' > '{outputs[0]}'; echo done"


@python_app
def read(file: Any) -> tuple[str, bytes]:
    with open(file, "rb") as f:
        return file.filepath, f.read()


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_executor: Any) -> Iterator[Callable[..., Path]]:
    """A function that loads a kernel whose workers keep files in the directory that it returns."""
    monkeypatch.chdir(tmp_path)
    work = tmp_path / "work"
    work.mkdir()

    def start(*args: Any, **options: Any) -> Path:
        executor = make_executor(storage_access=[FsspecStaging(*args, **options)], working_dir=str(work))
        kernels.load(Config(executors=[executor], run_dir=str(tmp_path / "runinfo")))
        return work

    yield start
    kernels.unload()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with s3_server(tmp_path_factory.mktemp("s3")) as options:
        yield options


@pytest.fixture
def bucket(s3: dict[str, Any]) -> Any:
    import s3fs

    return s3fs.S3FileSystem(**s3, skip_instance_cache=True, use_listings_cache=False)


@pytest.fixture(scope="session")
def ssh_port_and_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    if find_spec("sshfs") is None:
        need("paramiko", install="sshfs, or paramiko")
    with ssh_server(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(params=["sftp", "ssh"])
def ssh(request: pytest.FixtureRequest, ssh_port_and_key: dict[str, Any]) -> tuple[str, Any]:
    """Beginning of the URLs, and the options."""
    port, key = ssh_port_and_key["port"], ssh_port_and_key["key"]
    # where both are installed, sshfs serves both schemes
    if find_spec("sshfs") is None:
        options = {"port": port, "key_filename": key, "allow_agent": False}
    else:
        options = {"port": port, "client_keys": [key], "known_hosts": None}
    return f"{request.param}://{getpass.getuser()}@127.0.0.1", {request.param: options}


# -- S3 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separate", [False, True], ids=["in the task", "separate"])
def test_s3_in_and_out(load: Any, s3: Any, bucket: Any, separate: bool) -> None:
    work = load("s3", s3, separate=separate)
    bucket.pipe("bucket/a/in.txt", b"hello")
    future = upper(
        inputs=[File("s3://bucket/a/in.txt")], outputs=[File("s3://bucket/b/out.txt")], stdout=File("s3://bucket/said")
    )
    assert future.outputs[0].result(WAIT).url == "s3://bucket/b/out.txt"
    future.stdout.result(WAIT)
    assert bucket.cat("bucket/b/out.txt") == b"HELLO" and bucket.cat("bucket/said") == b"done\n"
    path, text = read(future.outputs[0]).result(WAIT)
    assert text == b"HELLO" and path.startswith(str(work)) and path.endswith("/out.txt")
    if not separate:
        assert not list(work.iterdir()), "the copies were removed"


def test_separate_tasks_are_seen(load: Any, s3: Any, bucket: Any) -> None:
    import parsl_on_dask as parsl

    load("s3", s3, separate=True)
    bucket.pipe("bucket/in.txt", b"hello")
    upper(inputs=[File("s3://bucket/in.txt")], outputs=[File("s3://bucket/out.txt")]).outputs[0].result(WAIT)
    assert parsl.dfk().task_count == 3


@pytest.mark.parametrize("config_name", ["processes"], indirect=True, scope="module")
def test_large_objects(load: Any, s3: Any, bucket: Any) -> None:
    """Which s3fs sends in parts."""
    load("s3", s3)
    data = os.urandom(1 << 20) * 120
    bucket.pipe("bucket/large.bin", data)

    @python_app
    def copy(file: Any, outputs: Any = ()) -> int:
        import shutil

        shutil.copy(file, outputs[0])
        return os.path.getsize(outputs[0])

    made = copy(File("s3://bucket/large.bin"), outputs=[File("s3://bucket/copy.bin")])
    assert made.result(WAIT) == len(data)
    assert bucket.cat("bucket/copy.bin") == data


def test_equal_names_in_different_places_are_different_files(load: Any, s3: Any, bucket: Any) -> None:
    load("s3", s3)
    bucket.pipe({"bucket/one/data.txt": b"1", "bucket/two/data.txt": b"2"})

    @bash_app
    def both(inputs: Any = (), outputs: Any = ()) -> str:
        return f"cat {inputs[0]} {inputs[1]} > {outputs[0]}"

    both(
        inputs=[File("s3://bucket/one/data.txt"), File("s3://bucket/two/data.txt")], outputs=[File("s3://bucket/b.txt")]
    ).result(WAIT)
    assert bucket.cat("bucket/b.txt") == b"12"


def test_wrong_credentials_are_said_so(load: Any, s3: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    load("s3", {"endpoint_url": s3["endpoint_url"]}, attempts=1)  # none at all
    with pytest.raises(StagingError, match=r"(?s)s3://bucket/x cannot be staged in .*storage_options.*app 'read'"):
        read(File("s3://bucket/x")).result(WAIT)


def test_missing_objects_and_buckets(load: Any, s3: Any, bucket: Any) -> None:
    work = load("s3", s3)
    with pytest.raises(StagingError, match=r"s3://bucket/none cannot be staged in .*no such file.*app 'read'"):
        read(File("s3://bucket/none")).result(WAIT)
    bucket.pipe("bucket/dir/x", b"1")
    with pytest.raises(StagingError, match="give each of its files"):
        read(File("s3://bucket/dir")).result(WAIT)
    bucket.pipe("bucket/in.txt", b"hello")
    with pytest.raises(StagingError, match=r"s3://no-such-bucket/out.txt cannot be staged out .*app 'upper'"):
        upper(inputs=[File("s3://bucket/in.txt")], outputs=[File("s3://no-such-bucket/out.txt")]).result(WAIT)
    assert not list(work.iterdir())


def test_a_missing_output_is_not_sent(load: Any, s3: Any, bucket: Any) -> None:
    work = load("s3", s3)

    @python_app
    def forgets(outputs: Any = ()) -> None:
        pass

    with pytest.raises(MissingOutputs, match="forgets.*s3://bucket/never"):
        forgets(outputs=[File("s3://bucket/never.txt")]).result(WAIT)
    assert not bucket.exists("bucket/never.txt") and not list(work.iterdir())


def test_output_streams_of_a_failed_app_are_sent(load: Any, s3: Any, bucket: Any) -> None:
    load("s3", s3)

    @bash_app
    def fails(outputs: Any = (), stderr: Any = None) -> str:
        return f"echo half > {outputs[0]}; echo the reason >&2; exit 3"

    with pytest.raises(BashExitFailure):
        fails(outputs=[File("s3://bucket/half.txt")], stderr=File("s3://bucket/err.txt")).result(WAIT)
    assert b"the reason" in bucket.cat("bucket/err.txt") and not bucket.exists("bucket/half.txt")


def test_nobody_answers(load: Any) -> None:
    need("s3fs", install="s3fs")
    from tests.data_provider.fsspec_servers import free_port

    options = {"key": "k", "secret": "s", "endpoint_url": f"http://127.0.0.1:{free_port()}"}
    load("s3", {**options, "config_kwargs": {"retries": {"max_attempts": 1}}}, attempts=2)
    with pytest.raises(StagingError, match="s3://bucket/x cannot be staged in") as caught:
        read(File("s3://bucket/x")).result(WAIT)
    assert "connect" in str(caught.value).lower()


# -- SSH -----------------------------------------------------------------------------------------------------------


def test_ssh_in_and_out(load: Any, ssh: Any, tmp_path: Path) -> None:
    base, options = ssh
    work = load(list(options), options)
    there = tmp_path / "there"
    there.mkdir()
    (there / "in.txt").write_text("hello")
    future = upper(inputs=[File(f"{base}{there}/in.txt")], outputs=[File(f"{base}{there}/new/out.txt")])
    assert future.result(WAIT) == 0
    assert (there / "new" / "out.txt").read_text() == "HELLO"
    assert read(future.outputs[0]).result(WAIT)[1] == b"HELLO"
    assert sorted(os.listdir(there / "new")) == ["out.txt"], "nothing half-written stays"
    with pytest.raises(StagingError, match="no such file"):
        read(File(f"{base}{there}/none")).result(WAIT)
    assert not list(work.iterdir())


def test_ssh_large_files_are_never_seen_half(load: Any, ssh: Any, tmp_path: Path) -> None:
    base, options = ssh
    load(list(options), options)
    there = tmp_path / "there"
    there.mkdir()
    target = there / "out.bin"
    sizes = []

    @python_app
    def make(size: int, outputs: Any = ()) -> None:
        with open(outputs[0], "wb") as f:
            f.write(os.urandom(1 << 20) * (size >> 20))

    made = make(20 << 20, outputs=[File(f"{base}{target}")])
    while not made.done():
        if target.exists():
            sizes.append(target.stat().st_size)
        time.sleep(0.001)
    made.result(WAIT)
    assert target.stat().st_size == 20 << 20 and {*sizes} <= {20 << 20}


# -- without servers -----------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Where the files of the ``local:`` file system are, which is fsspec's for tests like these."""
    there = tmp_path / "there"
    there.mkdir()
    return there


@pytest.mark.parametrize("name", ["with space", "quo'te\"s", "grüße-\u96ea", "-rf", "$HOME;true"])
def test_names(load: Any, files: Path, name: str) -> None:
    work = load("local")
    (files / name).write_text("hello")
    path, text = read(File(f"local://{files}/{name}")).result(WAIT)
    assert text == b"hello" and os.path.basename(path) == name
    assert os.path.dirname(os.path.dirname(path)) == str(work)


@pytest.mark.parametrize("url", ["local:///a/..", "local:///a/.", "local:///a/", "memory://x"])
def test_names_that_lead_elsewhere_are_refused(load: Any, url: str) -> None:
    load(["local", "memory"])
    with pytest.raises(ValueError, match="names a directory"):
        read(File(url))
    with pytest.raises(ValueError, match="names a directory"):
        upper(inputs=["x"], outputs=[File(url)])


def test_equal_urls_in_flight_are_fetched_once(load: Any, files: Path, config_name: str) -> None:
    log = files / "log"
    load("counting", keep=False) if _register_counting(str(log), config_name) else pytest.skip("own class, own process")
    (files / "in.bin").write_bytes(b"x" * 1000)
    futures = [python_app(_linger)(File(f"counting://{files}/in.bin")) for _ in range(2)]
    assert [f.result(WAIT) for f in futures] == [1000, 1000]
    assert log.read_text() == "x"


def _linger(file: Any) -> int:
    time.sleep(1)
    return os.path.getsize(file)


def _register_counting(log: str, config_name: str) -> bool:
    """A file system that notes every fetch."""
    if config_name != "threads":
        return False
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    class Counting(LocalFileSystem):  # type: ignore[misc]
        protocol = "counting"
        cachable = False

        def get_file(self, *args: Any, **kwargs: Any) -> None:
            time.sleep(0.3)
            with open(log, "a") as f:
                f.write("x")
            super().get_file(*args, **kwargs)

    fsspec.register_implementation("counting", Counting, clobber=True)
    return True


def test_a_change_is_seen_by_the_next_task(load: Any, files: Path) -> None:
    load("local", keep=True)
    file = files / "in.txt"
    file.write_text("one")
    assert read(File(f"local://{file}")).result(WAIT)[1] == b"one"
    file.write_text("two!")
    path, text = read(File(f"local://{file}")).result(WAIT)
    assert text == b"two!" and os.path.exists(path), "keep=True"


@pytest.mark.parametrize(
    ("url", "package"), [("gs://b/x", "gcsfs"), ("abfs://b/x", "adlfs"), ("hdfs://h/x", "pyarrow")]
)
def test_a_package_that_is_missing_is_named(load: Any, url: str, package: str) -> None:
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    load()
    with pytest.raises(StagingError, match=f"pip install {package}"):
        read(File(url)).result(WAIT)


def test_a_file_system_that_does_not_answer(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    class Silent(LocalFileSystem):  # type: ignore[misc]
        protocol = "silent"

        def info(self, *args: Any, **kwargs: Any) -> Any:
            time.sleep(5)

    fsspec.register_implementation("silent", Silent, clobber=True)
    monkeypatch.chdir(tmp_path)
    executor = ThreadPoolExecutor(storage_access=[FsspecStaging("silent", timeout=0.3, attempts=1)])
    kernels.load(Config(executors=[executor]))
    try:
        with pytest.raises(StagingError, match=r"silent://.*did not answer within 0.3 s \(FsspecStaging's timeout\)"):
            read(File(f"silent://{files}/x")).result(WAIT)
    finally:
        kernels.unload()


def test_bad_arguments() -> None:
    with pytest.raises(ConfigurationError, match="fsspec knows no 's4'"):
        FsspecStaging("s4")
    with pytest.raises(ConfigurationError, match=r"write the options of each, storage_options=\{'s3': \{\.\.\.\}\}"):
        FsspecStaging(["s3", "gs"], {"key": "x"})
    with pytest.raises(ConfigurationError, match="timeout"):
        FsspecStaging(timeout=0)
    with pytest.raises(ConfigurationError, match="attempts"):
        FsspecStaging(attempts=0)


def test_credentials_are_not_shown() -> None:
    assert "hidden-secret" not in repr(FsspecStaging("s3", {"key": "k", "secret": "hidden-secret"}))
