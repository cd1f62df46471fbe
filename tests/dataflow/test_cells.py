"""A cell of a notebook is interrupted: what becomes of calls, and what is said of it. The notebook is a fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask import join_app, python_app
from parsl_on_dask.dataflow import cells
from tests.helpers import WAIT, eventually, hold


class Notebook:
    """The events of an IPython shell."""

    def __init__(self) -> None:
        self.registered: dict[str, list[Callable[[Any], None]]] = {"pre_run_cell": [], "post_run_cell": []}

    def register(self, event: str, function: Callable[[Any], None]) -> None:
        self.registered[event].append(function)

    def unregister(self, event: str, function: Callable[[Any], None]) -> None:
        self.registered[event].remove(function)

    def trigger(self, event: str, info: Any = None) -> None:
        for function in list(self.registered[event]):
            function(info)

    def cell(self, code: Callable[[], Any], error: BaseException | None = None) -> Any:
        """Run a cell that ends with an error."""
        self.trigger("pre_run_cell")
        found = code()
        self.trigger("post_run_cell", SimpleNamespace(error_in_exec=error))
        return found


@pytest.fixture(scope="module")
def config_name() -> str:
    return "threads"


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    made = Notebook()
    shell = SimpleNamespace(events=made)
    monkeypatch.setitem(cells.sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    return made


@pytest.fixture
def held(tmp_path: Path, gate: str) -> Iterator[Callable[[str], Any]]:
    """A function that makes a call which runs until the test says so."""

    def call(name: str) -> Any:
        future = python_app(hold)(str(tmp_path / name), gate, name)
        eventually((tmp_path / name).exists, f"{name} runs")
        return future

    yield call


def test_calls_of_the_cell_end_and_those_of_earlier_cells_go_on(
    notebook: Notebook, load: Any, held: Callable[[str], Any], gate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    load()
    add = python_app(lambda x, y: x + y)
    earlier = notebook.cell(lambda: held("earlier"))
    assert capsys.readouterr().err == ""

    def code() -> Any:
        running = held("running")
        return running, add(running, "!"), add(earlier, "!")

    running, behind, other = notebook.cell(code, KeyboardInterrupt())
    assert capsys.readouterr().err == (
        "2 calls of the interrupted cell cancelled (Config(cancel_on_interrupt=False) leaves them); "
        "1 call of it cannot be ended while running; 1 call of earlier cells goes on (parsl.dfk().cancel() ends all)\n"
    )
    assert behind.cancelled() and other.cancelled()
    Path(gate).touch()
    assert (earlier.result(WAIT), running.result(WAIT)) == ("earlier", "running")
    notebook.cell(lambda: None, KeyboardInterrupt())
    assert capsys.readouterr().err == "", "there is nothing to end"


def test_several_calls_are_spoken_of_in_the_plural() -> None:
    tasks = {n: SimpleNamespace(id=n, app_fu=Future[int](), depends=[], joins=None) for n in range(4)}
    kernel: Any = SimpleNamespace(tasks=tasks, cancel_task=lambda task, running: False)
    assert cells.end_calls(kernel, 2) == (
        "2 calls of it cannot be ended while running; 2 calls of earlier cells go on (parsl.dfk().cancel() ends all)"
    )


def test_what_a_join_of_an_earlier_cell_makes_belongs_to_that(
    notebook: Notebook, load: Any, held: Callable[[str], Any], gate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    load()
    begun = notebook.cell(lambda: held("begun"))

    @join_app
    def joined(first: str) -> Any:
        return python_app(lambda: first + " and joined")()

    join = notebook.cell(lambda: joined(begun))

    def code() -> None:
        Path(gate).touch()
        assert join.result(WAIT) == "begun and joined"

    notebook.cell(code, KeyboardInterrupt())
    assert capsys.readouterr().err == ""


def test_a_kernel_that_is_gone_looks_at_no_cell(notebook: Notebook, load: Any) -> None:
    kernel = load()
    kernel.cleanup()
    notebook.cell(lambda: None, KeyboardInterrupt())
    assert notebook.registered == {"pre_run_cell": [], "post_run_cell": []}


def test_calls_may_be_left_alone(notebook: Notebook, load: Any) -> None:
    load(cancel_on_interrupt=False)
    assert notebook.registered == {"pre_run_cell": [], "post_run_cell": []}
