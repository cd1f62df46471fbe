"""Bars and lines that show how far tasks are."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import parsl_on_dask
from parsl_on_dask import python_app
from parsl_on_dask.errors import ConfigurationError, NoDataFlowKernelError
from parsl_on_dask.monitoring import counts, screens
from parsl_on_dask.monitoring.counts import AppCounts, Pace
from parsl_on_dask.monitoring.screens import Notebook, Terminal
from tests import interpreters
from tests.helpers import WAIT, eventually

WARM = True

CONFIG = {"initialize_logging": False}


@python_app
def hold(gate: str) -> None:
    import os
    import time

    while not os.path.exists(gate):
        time.sleep(0.01)


@python_app
def fail() -> None:
    raise ValueError("no")


@python_app
def after(*_: Any) -> None:
    pass


@python_app(cache=True)
def known(x: int) -> int:
    return x


def rows(kernel: Any) -> dict[str, AppCounts]:
    return {row.app: row for row in counts.of_kernel(kernel)}


@pytest.mark.usefixtures("kernel")
class TestCounts:
    def test_counts_by_app(self, kernel: Any, gate: str) -> None:
        before = rows(kernel)
        failed = fail()
        dropped = after(failed)
        assert dropped.exception(WAIT) is not None
        number = int(time.time() * 1000)
        assert [known(number).result(WAIT) for _ in range(3)] == [number] * 3
        held = [hold(gate) for _ in range(8)]
        last = after(*held)

        def change(app: str) -> tuple[int, ...]:
            was = before.get(app, AppCounts(app, 0, 0, 0, 0, 0))
            return tuple(a - b for a, b in zip(rows(kernel)[app][1:], was[1:], strict=True))

        # done, cached, running, waiting, failed: two slots, so no more than that run
        eventually(lambda: change("hold") == (0, 0, 2, 6, 0), "two run, and the others wait")
        assert change("after") == (0, 0, 0, 1, 1)
        assert change("fail") == (0, 0, 0, 0, 1)
        assert change("known") == (1, 2, 0, 0, 0)
        of_them = {row.app: row for row in counts.of_futures([*held, last, failed], kernel)}
        assert of_them["hold"].running == 2 and of_them["hold"].waiting == 6
        assert of_them["fail"].failed == 1 and of_them["after"].waiting == 1
        Path(gate).touch()
        last.result(WAIT)
        eventually(lambda: change("hold") == (8, 0, 0, 0, 0), "all are done")

    def test_it_waits_and_shows_the_end(self, kernel: Any) -> None:
        futures = [after() for _ in range(5)] + [fail()]
        out = io.StringIO()
        assert parsl_on_dask.progress(futures, file=out) is None
        assert all(f.done() for f in futures)
        assert "6 of 6 tasks ended: 5 done, 1 failed" in out.getvalue()
        assert "parsl:   fail: 1 failed" in out.getvalue()

    def test_it_waits_for_the_kernels_tasks(self, kernel: Any, gate: str) -> None:
        held = hold(gate)
        with parsl_on_dask.progress(file=io.StringIO(), background=True):  # type: ignore[union-attr]
            assert not held.done()
            Path(gate).touch()
        parsl_on_dask.progress(file=io.StringIO())
        assert held.done()

    def test_waiting_for_current_tasks_shows_it(self, kernel: Any, capsys: pytest.CaptureFixture[str]) -> None:
        futures = [after() for _ in range(3)]
        parsl_on_dask.wait_for_current_tasks(progress=True)
        assert all(f.done() for f in futures)
        assert re.search(r"\d+ of \d+ tasks ended", capsys.readouterr().err)

    def test_lines_come_now_and_then(self, kernel: Any, gate: str) -> None:
        out = io.StringIO()
        held = [hold(gate) for _ in range(3)]
        shown = parsl_on_dask.progress(held, file=out, interval=0.05, background=True)
        assert shown is not None
        eventually(lambda: "2 running, 1 waiting" in out.getvalue(), "a line says how it is")
        Path(gate).touch()
        for future in held:
            future.result(WAIT)
        shown.stop()
        shown.stop()
        assert "3 of 3 tasks ended: 3 done" in out.getvalue()
        assert out.getvalue().count("2 running, 1 waiting") == 1  # nothing new, no new line

    def test_a_notebook_gets_html(
        self, kernel: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pytest.importorskip("IPython", reason="pip install ipython")
        updates: list[str] = []
        monkeypatch.setattr(screens, "in_notebook", lambda: True)
        handle = SimpleNamespace(update=lambda html: updates.append(html.data))
        monkeypatch.setattr("IPython.display.display", lambda *a, **k: handle)
        parsl_on_dask.progress([after(), fail()])
        assert "2 of 2 tasks ended" in updates[-1] and "after" in updates[-1] and "1 failed" in updates[-1]
        assert capsys.readouterr().err == ""


def test_other_futures_are_counted_too() -> None:
    futures: list[Future[int]] = [Future(), Future(), Future()]
    futures[0].set_result(1)
    futures[1].set_exception(ValueError())
    futures[2].set_running_or_notify_cancel()
    assert counts.of_futures(futures, None) == [AppCounts("other", 1, 0, 1, 0, 1)]


def test_wrong_arguments_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="watches futures, and got 3"):
        parsl_on_dask.progress([3])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="write seconds above 0"):
        parsl_on_dask.progress([], interval=0)
    monkeypatch.setattr(parsl_on_dask.DataFlowKernelLoader, "_dfk", None)
    with pytest.raises(NoDataFlowKernelError, match="Must first load config"):
        parsl_on_dask.progress()


def test_a_closed_pipe_is_no_error() -> None:
    future: Future[int] = Future()
    future.set_result(1)
    out = io.StringIO()
    out.close()
    parsl_on_dask.progress(future, file=out)


def test_many_apps_share_a_bar() -> None:
    many = [AppCounts(f"app{i}", 1, 0, 0, int(i == 77), 0) for i in range(100)]
    shown = screens.shortened(many)
    assert len(shown) == screens.APPS and shown[-1].app == "81 other apps"
    assert "app77" in [row.app for row in shown] and counts.total(shown)[1:] == counts.total(many)[1:]


@pytest.mark.parametrize("width", [8, 24, 40])
def test_bars_have_their_width(width: int) -> None:
    for row in (
        AppCounts("a", 1, 0, 0, 0, 0),
        AppCounts("a", 5000, 1, 1, 3, 1),
        AppCounts("a", 1, 1, 1, 1, 1),
        AppCounts("a", 0, 0, 0, 9, 0),
    ):
        assert sum(cells for _, cells in screens.parts(row, width)) == width


def test_narrow_terminals_get_one_line_for_each_app() -> None:
    pytest.importorskip("rich", reason="pip install rich")
    out = io.StringIO()
    screen = Terminal(out)
    screen.console.width = 40
    screen.console.print(screen.drawn([AppCounts("a_rather_long_name_of_an_app", 10, 3, 2, 4000, 1)] * 2, Pace()))
    assert len(out.getvalue().splitlines()) == 3 and max(map(len, out.getvalue().splitlines())) <= 40


def test_the_time_left_follows_from_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(counts.time, "monotonic", lambda: clock.now)
    pace = Pace()
    pace.see(AppCounts("a", 0, 0, 0, 100, 0))
    assert pace.rate is None and pace.left is None
    clock.now += 5
    pace.see(AppCounts("a", 10, 30, 5, 55, 0))
    assert pace.rate == pytest.approx(2.0) and pace.left == pytest.approx(30.0)  # cached results are no work
    clock.now += 60
    pace.see(AppCounts("a", 10, 90, 0, 0, 0))
    assert pace.rate is None and pace.left == 0.0


SCRIPT = """
import parsl
from parsl.config import Config
from parsl.executors import ThreadPoolExecutor

@parsl.python_app
def nap(seconds):
    import time
    time.sleep(seconds)

with parsl.load(Config(executors=[ThreadPoolExecutor(max_threads=2)], initialize_logging=False)):
    futures = [nap(0.1) for _ in range(10)]
    [f.result() for f in futures]
    print("the program's own words")
"""


def test_a_script_with_progress_in_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = interpreters.run(
        [sys.executable, "-m", "parsl_on_dask", "--progress", "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout == "the program's own words\n"
    assert "10 of 10 tasks ended: 10 done" in done.stderr


def test_a_script_with_progress_in_a_terminal(tmp_path: Path) -> None:
    pytest.importorskip("rich", reason="pip install rich")
    (tmp_path / "script.py").write_text(SCRIPT)
    master, slave = pty.openpty()
    process = interpreters.Popen(
        [sys.executable, "-m", "parsl_on_dask", "--progress", "script.py"],
        cwd=tmp_path,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "90", "LINES": "30"},
    )
    os.close(slave)
    out = b""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        if select.select([master], [], [], 1.0)[0]:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            out += part
    os.close(master)
    assert process.wait(60) == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.decode())
    assert "━" in plain and "running" in plain and "10/10" in plain
    assert "the program's own words" in plain
    assert out.rstrip().endswith(b"\x1b[?25h")  # the cursor is back


def test_a_notebook_without_a_kernel_is_none() -> None:
    assert not screens.in_notebook()
    assert Notebook().slow is False
