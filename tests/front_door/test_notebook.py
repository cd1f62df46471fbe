"""Parsl's tutorial style in a notebook: a real kernel runs cells, as Jupyter does."""

from __future__ import annotations

import os
import re
import signal
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.front_door.programs import SOURCE
from tests.helpers import eventually

nbformat = pytest.importorskip("nbformat", reason="needs a notebook kernel: pip install nbclient ipykernel")
nbclient = pytest.importorskip("nbclient", reason="needs a notebook kernel: pip install nbclient ipykernel")
pytest.importorskip("ipykernel", reason="needs a notebook kernel: pip install nbclient ipykernel")

CONFIGS = {
    "threads": "parsl.executors.threads.ThreadPoolExecutor(max_threads=2)",
    "processes": "parsl.executors.HighThroughputExecutor(label='htex', max_workers_per_node=2)",
    "existing": "parsl.executors.DaskExecutor(ADDRESS)",
}


class Notebook:
    """A kernel, and what its cells say."""

    def __init__(self, folder: Path, load: str) -> None:
        self.folder = folder
        self.load = load
        self.book = nbformat.v4.new_notebook()
        self.client = nbclient.NotebookClient(
            self.book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )

    def cell(self, text: str) -> Any:
        """Run a cell, and return its outputs; what it raises is raised as CellExecutionError."""
        cell = nbformat.v4.new_code_cell(textwrap.dedent(text).strip())
        self.book.cells.append(cell)
        self.client.execute_cell(cell, len(self.book.cells) - 1)
        return cell.outputs

    def says(self, text: str) -> str:
        """What a cell prints, or shows as its value."""
        return "".join(o.get("text") or o["data"].get("text/plain", "") for o in self.cell(text))

    def fails(self, text: str) -> str:
        """The error of a cell, as the notebook shows it."""
        with pytest.raises(nbclient.exceptions.CellExecutionError) as caught:
            self.cell(text)
        return f"{caught.value.ename}: {caught.value.evalue}"


@pytest.fixture(scope="module", params=CONFIGS)
def notebook(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A notebook in which `parsl` is this package."""
    folder = tmp_path_factory.mktemp("notebook")
    paths = [SOURCE, os.environ.get("PYTHONPATH", "")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        made = Notebook(folder, f"parsl.load(parsl.Config(executors=[{CONFIGS[request.param]}]))")
        if request.param == "existing":
            address = request.getfixturevalue("existing_cluster")
        with made.client.setup_kernel():
            made.cell("%load_ext parsl_on_dask\nimport parsl\nfrom parsl import python_app, bash_app, join_app, File")
            if request.param == "existing":
                made.cell(f"ADDRESS = {address!r}")
            yield made


@pytest.fixture
def tutorial(notebook: Notebook) -> str:
    """The cell that loads a kernel, and nothing is loaded."""
    notebook.cell("parsl.clear()")
    return notebook.load


def test_the_tutorial(notebook: Notebook, tutorial: str) -> None:
    """Cells in the order of Parsl's tutorial, each run twice."""
    for _ in range(2):
        notebook.cell("parsl.clear()\n" + tutorial)
        assert (
            notebook.says(
                """
            @python_app
            def hello():
                return 'Hello World!'

            print(hello().result())
            """
            )
            == "Hello World!\n"
        )
        notebook.cell(
            """
            @bash_app
            def echo_hello(stdout='echo-hello.stdout', stderr='echo-hello.stderr'):
                return 'echo "Hello World!"'

            import os
            here = os.path.abspath('echo-hello.')
            echo_hello(stdout=(here + 'stdout', 'w'), stderr=here + 'stderr').result()
            """
        )
        assert notebook.says("print(open('echo-hello.stdout').read(), end='')") == "Hello World!\n"
        assert (
            notebook.says(
                """
            import os

            @bash_app
            def cat(inputs=[], outputs=[]):
                return 'cat {} > {}'.format(" ".join([i.filepath for i in inputs]), outputs[0])

            for i in range(3):
                with open(os.path.join(os.getcwd(), 'hello-{}.txt'.format(i)), 'w') as f:
                    f.write('hello {}\\n'.format(i))
            concat = cat(inputs=[File(os.path.join(os.getcwd(), 'hello-{}.txt'.format(i))) for i in range(3)],
                         outputs=[File(os.path.join(os.getcwd(), 'all_hellos.txt'))])
            with open(concat.outputs[0].result(), 'r') as f:
                print(f.read(), end='')
            """
            )
            == "hello 0\nhello 1\nhello 2\n"
        )
        assert (
            notebook.says(
                """
            @python_app
            def generate(limit):
                from random import randint
                return randint(1, limit)

            rand_nums = [generate(10) for i in range(5)]
            outputs = [i.result() for i in rand_nums]
            all(1 <= n <= 10 for n in outputs)
            """
            )
            == "True"
        )


def test_an_app_that_is_defined_again(notebook: Notebook, tutorial: str) -> None:
    notebook.cell(tutorial)
    for factor in (2, 3):
        define = f"""
            factor = {factor}

            @python_app
            def times(x):
                return x * factor
            """
        notebook.cell(define)
        assert notebook.says("times(7).result()") == str(7 * factor)
    notebook.cell("class Point:\n    def __init__(self, x): self.x = x")
    notebook.cell("@python_app\ndef shifted(p): return Point(p.x + 1)")
    assert notebook.says("shifted(Point(1)).result().x") == "2"
    notebook.cell("class Point:\n    def __init__(self, x): self.x = x * 10")
    notebook.cell("@python_app\ndef shifted(p): return Point(p.x + 1)")
    assert notebook.says("shifted(Point(1)).result().x") == "110"
    assert notebook.says("isinstance(shifted(Point(1)).result(), Point)") == "True"


def test_a_cell_that_is_interrupted(notebook: Notebook, tutorial: str) -> None:
    """The stop button ends the wait; the task goes on, and so does the kernel."""
    notebook.cell(tutorial)
    notebook.cell(
        """
        import os

        @python_app
        def held(gate):
            import os, time
            open(gate + '.started', 'w').close()
            while not os.path.exists(gate):
                time.sleep(0.05)
            return 'opened'

        future = held(os.path.abspath('gate'))
        """
    )
    eventually((notebook.folder / "gate.started").exists, "the task runs", 60)
    pressed = threading.Timer(1.0, _press, [notebook.client.km])
    pressed.start()
    assert notebook.fails("print('waits', flush=True)\nfuture.result()").startswith("KeyboardInterrupt")
    pressed.join()
    assert notebook.says("future.done()") == "False"
    (notebook.folder / "gate").touch()
    assert notebook.says("future.result(60)") == "'opened'"
    assert notebook.says("python_app(pow)(2, 5).result(60)") == "32"


def test_the_calls_of_a_cell_that_is_interrupted_end_with_it(notebook: Notebook, tutorial: str) -> None:
    """Those that wait and, where they can be ended, those that run; calls of earlier cells go on."""
    on_threads = "ThreadPool" in tutorial
    notebook.cell(tutorial)
    notebook.cell(
        """
        import os

        @python_app
        def held(name, *after):
            import os, time
            open(name + '.started', 'w').close()
            while not os.path.exists('GATE'):
                time.sleep(0.05)
            return name

        @join_app
        def joined(name):
            return held(name)

        early = joined(os.path.abspath('early'))
        """.replace("GATE", str(notebook.folder / "open"))
    )
    eventually((notebook.folder / "early.started").exists, "the join has begun", 60)
    pressed = threading.Thread(target=_press_when, args=[notebook.client.km, notebook.folder / "late.started"])
    pressed.start()
    said = notebook.fails("late = held(os.path.abspath('late'))\nfollower = held('no', late)\nfollower.result()")
    assert said.startswith("KeyboardInterrupt")
    pressed.join()
    shown = "".join(o.get("text", "") for o in notebook.book.cells[-1].outputs)
    cancelled = "1 call" if on_threads else "2 calls"
    assert f"{cancelled} of the interrupted cell cancelled" in shown and "2 calls of earlier cells go on" in shown, (
        shown
    )
    assert re.match("CancelledError|DependencyError", notebook.fails("follower.result(60)"))
    assert notebook.says("early.done()") == "False"
    if not on_threads:
        assert "AppKilled" in notebook.fails("late.result(60)")
    (notebook.folder / "open").touch()
    assert notebook.says("os.path.basename(early.result(60))") == "'early'"
    if on_threads:
        assert notebook.says("os.path.basename(late.result(60))") == "'late'"
    for name in ("open", "early.started", "late.started"):
        (notebook.folder / name).unlink()


def test_calls_that_are_to_go_on_when_their_cell_is_interrupted(notebook: Notebook, tutorial: str) -> None:
    notebook.cell(tutorial.replace("executors=", "cancel_on_interrupt=False, executors="))
    pressed = threading.Thread(target=_press_when, args=[notebook.client.km, notebook.folder / "going.started"])
    pressed.start()
    said = notebook.fails(
        f"""
        @python_app
        def going():
            import os, time
            open({str(notebook.folder / "going.started")!r}, 'w').close()
            while not os.path.exists({str(notebook.folder / "going")!r}):
                time.sleep(0.05)
            return 3

        future = going()
        future.result()
        """
    )
    assert said.startswith("KeyboardInterrupt")
    pressed.join()
    (notebook.folder / "going").touch()
    assert notebook.says("future.result(60)") == "3"
    for name in ("going", "going.started"):
        (notebook.folder / name).unlink()


def _press_when(manager: Any, path: Path) -> None:
    eventually(path.exists, "the call runs", 60)
    _press(manager)


def _press(manager: Any) -> None:
    """The notebook's stop button."""
    os.kill(manager.provisioner.pid, signal.SIGINT)


def test_what_the_notebook_shows(notebook: Notebook, tutorial: str) -> None:
    loaded = notebook.cell(tutorial)
    printed = "".join(o.get("text", "") for o in loaded if o.output_type == "stream")
    assert "dashboard" in printed and "http://" in printed, printed
    [shown] = [o["data"] for o in loaded if o.output_type == "execute_result"]
    assert "DataFlowKernel" in shown["text/plain"] and "<" in shown["text/html"]
    notebook.cell("@python_app\ndef inc(x): return x + 1\nfutures = [inc(i) for i in range(20)]")
    shown = [
        o for o in notebook.cell("parsl.progress(futures)") if o.output_type in ("display_data", "update_display_data")
    ]
    assert "20 / 20" in shown[-1]["data"]["text/html"]
    [future] = [
        o["data"] for o in notebook.cell("futures[0].result()\nfutures[0]") if o.output_type == "execute_result"
    ]
    assert "AppFuture of task 0" in future["text/html"]


def test_loading_twice_and_clearing(notebook: Notebook, tutorial: str) -> None:
    notebook.cell(tutorial)
    said = notebook.fails(tutorial)
    assert "already" in said and "parsl.clear()" in said
    notebook.cell("parsl.clear()")
    assert "Must first load config" in notebook.fails("python_app(pow)(2, 5)")
    notebook.cell(tutorial)
    assert notebook.says("python_app(pow)(2, 5).result()") == "32"
    notebook.cell("parsl.dfk().cleanup()")
    notebook.cell(tutorial + "\nparsl.clear()\nparsl.clear()")


def test_a_failed_task_shows_its_own_traceback(notebook: Notebook, tutorial: str) -> None:
    notebook.cell(tutorial)
    notebook.cell("@python_app\ndef divide(a, b):\n    return a / b")
    with pytest.raises(nbclient.exceptions.CellExecutionError) as caught:
        notebook.cell("divide(1, 0).result()")
    assert caught.value.ename == "ZeroDivisionError"
    assert "return a / b" in caught.value.traceback or "divide" in caught.value.traceback


def test_with_asyncio(notebook: Notebook, tutorial: str) -> None:
    """A notebook has an event loop that runs, so futures can be awaited in a cell."""
    notebook.cell(tutorial)
    assert notebook.says("await python_app(pow)(2, 5)") == "32"
    assert (
        notebook.says("import asyncio\nawait asyncio.gather(*[python_app(pow)(2, i) for i in range(4)])")
        == "[1, 2, 4, 8]"
    )


def test_an_error_shows_the_line_of_the_cell_that_failed(notebook: Notebook, tutorial: str) -> None:
    notebook.cell(tutorial)
    notebook.cell(
        """
        def half(x):
            return x / 0

        @python_app
        def fails(x):
            return half(x)
        """
    )
    for ask, lines in (("fails(1).result()", 24), ("python_app(lambda x: x)(fails(1)).result()", 34)):
        with pytest.raises(nbclient.exceptions.CellExecutionError) as caught:
            notebook.cell(ask)
        shown = re.sub(r"\x1b\[[0-9;]*m", "", caught.value.traceback)
        assert re.search(r"-+> +\d+ +return x / 0\n", shown) and re.search(r"-+> +\d+ +return half\(x\)\n", shown), (
            shown
        )
        # Python 3.10 shows one of our frames
        assert "concurrent" not in shown and (sys.version_info < (3, 11) or "parsl_on_dask/" not in shown)
        assert len(shown.splitlines()) <= lines or sys.version_info < (3, 11), shown
