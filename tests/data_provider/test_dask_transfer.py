"""Files that move by themselves, on every executor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, python_app
from parsl_on_dask.app.errors import BashExitFailure
from parsl_on_dask.config import Config
from parsl_on_dask.data_provider.dask_transfer import DaskTransferStaging
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.fsspec_staging import FsspecStaging
from parsl_on_dask.dataflow.errors import DependencyError
from parsl_on_dask.errors import ConfigurationError
from tests import kernels
from tests.helpers import WAIT

WARM = True


@bash_app
def upper(inputs: Any = (), outputs: Any = (), stdout: Any = None) -> str:
    return f"tr a-z A-Z < '{inputs[0]}' > '{outputs[0]}'; echo done"


@bash_app
def join(inputs: Any = (), outputs: Any = ()) -> str:
    return "cat " + " ".join(f"'{i}'" for i in inputs) + f" > '{outputs[0]}'"


@python_app
def read(file: Any) -> str:
    with open(file) as f:
        return f.read()


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_executor: Any) -> Iterator[Callable[..., Any]]:
    monkeypatch.chdir(tmp_path)

    def start(*more: Any, working_dir: Any = None, links: bool = True, **options: Any) -> Any:
        access = [DaskTransferStaging(links=links), *more]
        executor = make_executor(storage_access=access, working_dir=working_dir)
        return kernels.load(Config(executors=[executor], run_dir=str(tmp_path / "runinfo"), **options))

    yield start
    kernels.unload()


@pytest.mark.parametrize("links", [True, False], ids=["links", "sent"])
def test_a_pipeline(load: Any, links: bool) -> None:
    load(links=links)
    Path("a.txt").write_text("a\n")
    Path("b.txt").write_text("b\n")
    uppers = [upper(inputs=[File(f"{n}.txt")], outputs=[File(f"worker:{n}.up")], stdout=File(f"{n}.log")) for n in "ab"]
    joined = join(inputs=[u.outputs[0] for u in uppers], outputs=[File("joined.txt")])
    assert read(joined.outputs[0]).result(WAIT) == "A\nB\n"
    assert Path("joined.txt").read_text() == "A\nB\n"
    assert [u.stdout.result(WAIT).filepath for u in uppers] == ["a.log", "b.log"]
    assert Path("a.log").read_text() == "done\n"


def test_a_directory_for_the_files_of_the_workers(load: Any, tmp_path: Path, config_name: str) -> None:
    load(working_dir=str(tmp_path / "work"))
    Path("a.txt").write_text("a")

    @python_app
    def where(file: Any, outputs: Any = ()) -> tuple[str, str]:
        open(outputs[0], "w").close()
        return file.filepath, outputs[0].filepath

    came, made = where(File("a.txt"), outputs=[File("out.txt")]).result(WAIT)
    if config_name == "threads":
        assert (came, made) == (str(tmp_path / "a.txt"), str(tmp_path / "out.txt")), "nothing has to move"
    else:
        assert came.startswith(str(tmp_path / "work")) and made.startswith(str(tmp_path / "work"))
    parsl.dfk().cleanup()
    assert not (tmp_path / "work").exists() or not os.listdir(tmp_path / "work")


def test_a_failed_task_has_no_files(load: Any) -> None:
    load()

    @bash_app
    def fails(outputs: Any = ()) -> str:
        return f"echo half > {outputs[0]}; false"

    failed = fails(outputs=[File("worker:half.txt")])
    with pytest.raises(DependencyError):
        read(failed.outputs[0]).result(WAIT)
    with pytest.raises(BashExitFailure):
        failed.outputs[0].result(WAIT)


def test_with_other_ways_to_stage(load: Any, tmp_path: Path) -> None:
    load(FsspecStaging("local"), check_outputs=True, working_dir=str(tmp_path / "work"))
    Path("a.txt").write_text("a")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "b.txt").write_text("b")

    @python_app
    def copy(first: Any, inputs: Any = (), outputs: Any = ()) -> None:
        for source, target in zip([first, *inputs], outputs, strict=True):
            with open(source) as r, open(target, "w") as w:
                w.write(r.read())

    made = copy(
        File("a.txt"),
        inputs=[File(f"local://{tmp_path}/there/b.txt"), File("a.txt")],
        outputs=[File(f"local://{tmp_path}/there/a.txt"), File("b.txt"), File("worker:c.txt")],
    )
    assert made.result(WAIT) is None
    assert (tmp_path / "there" / "a.txt").read_text() == "a" and Path("b.txt").read_text() == "b"
    assert read(made.outputs[2]).result(WAIT) == "a"


def test_many_files(load: Any) -> None:
    load()
    futures = []
    for i in range(40):
        Path(f"{i}.txt").write_text(f"{i}\n")
        futures.append(upper(inputs=[File(f"{i}.txt")], outputs=[File(f"worker:{i}.up")]))
    joined = join(inputs=[f.outputs[0] for f in futures], outputs=[File("all.txt")])
    joined.result(WAIT)
    assert Path("all.txt").read_text().split() == [str(i) for i in range(40)]


def test_it_can_be_loaded_again(load: Any) -> None:
    for _ in range(2):
        load()
        Path("a.txt").write_text("a")
        assert read(File("a.txt")).result(WAIT) == "a"
        kernels.unload()


def test_bad_arguments() -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        DaskTransferStaging(timeout=-1)
    with pytest.raises(ConfigurationError, match="links"):
        DaskTransferStaging(links="no")  # type: ignore[arg-type]


def test_an_executor_that_is_not_on_dask(tmp_path: Path) -> None:
    from concurrent.futures import Future

    from parsl_on_dask.executors.base import ParslExecutor

    class Inline(ParslExecutor):
        label = "inline"
        storage_access = [DaskTransferStaging()]

        def submit(self, func: Any, resource_specification: Any, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(func(*args, **kwargs))
            return future

        def shutdown(self) -> None:
            super().shutdown()

    kernels.load(Config(executors=[Inline()], run_dir=str(tmp_path / "runinfo")))
    try:
        with pytest.raises(
            ValueError, match=r"executor 'inline', a Inline, does not: leave it out of its storage_access"
        ):
            read(File("a.txt"))
    finally:
        kernels.unload()
