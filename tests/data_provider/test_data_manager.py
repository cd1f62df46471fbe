"""Which provider gets a file, and what the app gets from it."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.data_provider.data_manager import DataManager, default_staging
from parsl_on_dask.data_provider.file_noop import NoOpFileStaging
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.ftp import FTPSeparateTaskStaging
from parsl_on_dask.data_provider.http import HTTPSeparateTaskStaging
from parsl_on_dask.data_provider.staging import Staging
from parsl_on_dask.data_provider.zip import ZipFileStaging


def app() -> None:
    pass


def manager(storage_access: Any = None) -> DataManager:
    executors = {"_parsl_internal": SimpleNamespace(), "threads": SimpleNamespace(storage_access=storage_access)}
    return DataManager(SimpleNamespace(executors=executors))  # type: ignore[arg-type]


class Recording(Staging):
    """Accepts one scheme; what its methods return is set by the test."""

    def __init__(self, scheme: str = "own", returns: Any = None) -> None:
        self.scheme = scheme
        self.returns = returns or {}
        self.calls: list[tuple[Any, ...]] = []

    def can_stage_in(self, file: File) -> bool:
        return file.scheme == self.scheme

    def can_stage_out(self, file: File) -> bool:
        return file.scheme == self.scheme

    def stage_in(self, dm: Any, executor: str, file: File, parent_fut: Any) -> Any:
        self.calls.append(("in", dm, executor, file, parent_fut))
        file.local_path = "/staged/" + file.filename
        return self.returns.get("in")

    def stage_out(self, dm: Any, executor: str, file: File, app_fu: Any) -> Any:
        self.calls.append(("out", dm, executor, file, app_fu))
        return self.returns.get("out")

    def replace_task(self, dm: Any, executor: str, file: File, func: Any) -> Any:
        self.calls.append(("replace in", dm, executor, file, func))
        return self.returns.get("replace in")

    def replace_task_stage_out(self, dm: Any, executor: str, file: File, func: Any) -> Any:
        self.calls.append(("replace out", dm, executor, file, func))
        return self.returns.get("replace out")


def test_what_is_no_file_is_passed_on() -> None:
    value = [1]
    assert manager().optionally_stage_in(value, app, "threads") == (value, app)


def test_a_local_file_is_copied_and_that_is_all() -> None:
    file = File("in.txt")
    got, func = manager().optionally_stage_in(file, app, "threads")
    assert type(got) is File and got is not file and got.filepath == "in.txt"
    assert func is app
    assert manager().stage_out(file, "threads", Future()) is None
    assert manager().replace_task_stage_out(file, app, "threads") is app


def test_a_provider_may_say_where_the_file_will_be_on_the_copy_only() -> None:
    file = File("own:/a.txt")
    got, func = manager([Recording()]).optionally_stage_in(file, app, "threads")
    assert got.filepath == "/staged/a.txt"
    assert file.local_path is None
    assert func is app


def test_a_provider_gets_the_manager_the_label_the_copy_and_no_parent() -> None:
    provider = Recording()
    dm = manager([provider])
    got, _ = dm.optionally_stage_in(File("own:/a.txt"), app, "threads")
    assert provider.calls == [
        ("in", dm, "threads", got, None),
        ("replace in", dm, "threads", got, app),
    ]


def test_a_provider_may_start_a_task_and_wrap_the_function() -> None:
    def wrapped() -> None:
        pass

    staged = DataFuture(Future(), File("own:/a.txt"), tid=5)
    provider = Recording(returns={"in": staged, "replace in": wrapped})
    got, func = manager([provider]).optionally_stage_in(File("own:/a.txt"), app, "threads")
    assert got is staged
    assert func is wrapped


def test_a_data_future_is_staged_when_it_is_done() -> None:
    parent: Future[Any] = Future()
    file = File("own:/a.txt")
    original = DataFuture(parent, file, tid=3)
    provider = Recording()
    got, _ = manager([provider]).optionally_stage_in(original, app, "threads")
    assert isinstance(got, DataFuture) and got is not original and got.tid == 3
    assert provider.calls[0][4] is got
    assert not got.done()
    parent.set_result(None)
    assert got.result() is provider.calls[0][3]
    assert got.result().filepath == "/staged/a.txt"
    assert file.local_path is None


def test_output_files() -> None:
    def wrapped() -> None:
        pass

    moved: Future[Any] = Future()
    provider = Recording(returns={"out": moved, "replace out": wrapped})
    dm, file, app_future = manager([provider]), File("own:/a.txt"), Future[Any]()
    assert dm.stage_out(file, "threads", app_future) is moved
    assert provider.calls == [("out", dm, "threads", file, app_future)]
    assert dm.replace_task_stage_out(file, app, "threads") is wrapped


def test_the_first_provider_that_accepts_a_file_gets_it() -> None:
    first, second = Recording("other"), Recording()
    manager([first, second, Recording()]).optionally_stage_in(File("own:/a"), app, "threads")
    assert not first.calls and len(second.calls) == 2


def test_a_scheme_that_nobody_stages_is_an_error_that_lists_what_could_be() -> None:
    dm = manager()
    with pytest.raises(ValueError) as caught:
        dm.optionally_stage_in(File("s3://example.org/a.txt"), app, "threads")
    text = str(caught.value)
    assert text.startswith("Executor threads cannot stage file <File at ")
    assert "(scheme 's3')" in text and "storage_access=" in text
    assert (
        "it can stage in these schemes: file (NoOpFileStaging), http (HTTPSeparateTaskStaging), "
        "https (HTTPSeparateTaskStaging), ftp (FTPSeparateTaskStaging), zip (ZipFileStaging). "
    ) in text
    with pytest.raises(
        ValueError, match=r"cannot stage out file .*: file \(NoOpFileStaging\), zip \(ZipFileStaging\)\..*local path"
    ):
        dm.stage_out(File("ftp://example.org/a.txt"), "threads", Future())


def test_an_executor_that_stages_nothing_says_so() -> None:
    with pytest.raises(ValueError, match=r"storage_access=\[\], which stages nothing"):
        manager([]).optionally_stage_in(File("a.txt"), app, "threads")
    with pytest.raises(ValueError, match=r"\['Recording'\] accept no common scheme"):
        manager([Recording()]).optionally_stage_in(File("a.txt"), app, "threads")


def test_an_unknown_label_is_a_key_error_that_names_the_labels() -> None:
    with pytest.raises(KeyError, match="use 'threads'"):
        manager().optionally_stage_in(File("a.txt"), app, "nodes")


def test_an_executor_without_the_attribute_has_the_default_providers() -> None:
    kinds = [NoOpFileStaging, FTPSeparateTaskStaging, HTTPSeparateTaskStaging, ZipFileStaging]
    assert [type(p) for p in default_staging] == kinds
    dm = DataManager(SimpleNamespace(executors={"x": object()}))  # type: ignore[arg-type]
    assert dm.optionally_stage_in(File("a.txt"), app, "x")[0].filepath == "a.txt"


def test_the_base_class_accepts_nothing_and_does_nothing() -> None:
    base, file = Staging(), File("a.txt")
    dm: Any = None
    assert not base.can_stage_in(file) and not base.can_stage_out(file)
    assert base.stage_in(dm, "x", file, None) is base.stage_out(dm, "x", file, Future()) is None
    assert base.replace_task(dm, "x", file, app) is base.replace_task_stage_out(dm, "x", file, app) is None


def test_the_provider_shows_as_its_constructor_call() -> None:
    assert repr(NoOpFileStaging()) == "NoOpFileStaging()"
