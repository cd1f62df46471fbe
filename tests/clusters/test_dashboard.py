"""Dask's dashboard costs nothing until somebody opens it."""

from __future__ import annotations

import logging
import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.clusters import dashboard, dask_page
from tests.helpers import WAIT, eventually, hold

pytest.importorskip("bokeh", reason="pip install bokeh")


@python_app
def give(value: int) -> int:
    return value


def opened(link: str) -> str:
    with urllib.request.urlopen(link, timeout=WAIT) as answer:
        return str(answer.read().decode())


def loaded(dask_scheduler: Any) -> bool:
    import sys

    return "bokeh" in sys.modules


@pytest.mark.parametrize("config_name", ["processes"], indirect=True, scope="module")
def test_the_first_to_open_it_waits_for_it(load: Any) -> None:
    kernel = load(initialize_logging=False)
    root = kernel.dashboard_link.removesuffix("parsl")
    client = kernel.executors["processes"].lane.client
    assert opened(root + "health") == "ok"
    assert not client.run_on_scheduler(loaded)
    pages = ("status", "parsl", "", "workers", "individual-plots.json")
    with ThreadPoolExecutor(len(pages)) as pool:
        texts = pool.map(opened, [root + page for page in pages])
        assert [f.result(WAIT) for f in map(give, range(50))] == list(range(50))
        assert all(texts)
    assert client.run_on_scheduler(loaded)
    assert "/individual-progress" in opened(root + "individual-plots.json")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        opened(root + "no-such-page")


@pytest.mark.parametrize("config_name", ["threads", "processes"], indirect=True, scope="module")
def test_nobody_reads_it_without_the_link(load: Any) -> None:
    link = load(initialize_logging=False).dashboard_link
    found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/([\w-]{24})/parsl", link)
    assert found is not None, link
    root, key = found.groups()
    assert opened(f"{root}/health") == "ok"
    for path in (
        "",
        "status",
        "parsl",
        "metrics",
        "info/main/workers.html",
        "json/identity.json",
        "statics/css/base.css",
    ):
        for wrong in ("", f"{key[:-1]}/", f"{key}x/", "%C3%A9/"):
            with pytest.raises(urllib.error.HTTPError, match="403") as caught:
                opened(f"{root}/{wrong}{path}")
            assert key not in caught.value.read().decode()
    # without it a web socket is refused like a page
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"}
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(f"{root}/status/ws", headers=upgrade), timeout=WAIT)
    for way in (f"{root}/{key}", f"{root}/{key}/"):
        with urllib.request.urlopen(way, timeout=WAIT) as answer:
            assert answer.url == f"{root}/{key}/status"
    assert "workers" in opened(f"{root}/{key}/info")


@pytest.mark.parametrize("config_name", ["threads"], indirect=True, scope="module")
def test_without_bokeh_a_page_says_so(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "has_bokeh", lambda: False)
    kernel = load(initialize_logging=False)
    assert "pip install" in opened(kernel.dashboard_link.removesuffix("parsl") + "status")


@pytest.mark.parametrize("config_name", ["threads"], indirect=True, scope="module")
def test_with_a_bokeh_that_does_not_suit_a_page_says_so(
    load: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unsuitable() -> None:
        raise ImportError("Dask needs another bokeh for the dashboard")

    monkeypatch.setattr(dask_page, "pages", unsuitable)
    with caplog.at_level(logging.WARNING):
        kernel = load(initialize_logging=False)
        root = kernel.dashboard_link.removesuffix("parsl")
        assert "pip install" in opened(root + "status") and "pip install" in opened(root)
    assert "Dask's dashboard cannot be shown" in caplog.text
    assert give(3).result(WAIT) == 3


def hold_imports(dask_scheduler: Any, started: str, gate: str) -> None:
    """Have the imports of the scheduler's pages wait for a file."""
    pages = dask_page.pages

    def held() -> None:
        hold(started, gate)
        pages()

    dask_page.pages = held


@pytest.mark.extended
@pytest.mark.parametrize("config_name", ["threads", "processes"], indirect=True, scope="module")
def test_the_scheduler_works_while_its_pages_are_imported(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config_name: str
) -> None:
    monkeypatch.setattr(dask_page, "pages", dask_page.pages)  # put back at the end, in this process
    kernel = load(initialize_logging=False)
    root = kernel.dashboard_link.removesuffix("parsl")
    started, gate = tmp_path / "started", tmp_path / "gate"
    [executor] = [e for e in kernel.executors.values() if e.label == config_name]
    lane = executor.lane
    if config_name == "threads":
        hold_imports(None, str(started), str(gate))
    else:
        lane.client.run_on_scheduler(hold_imports, started=str(started), gate=str(gate))
    with ThreadPoolExecutor(3) as pool:
        pages = [pool.submit(opened, root + page) for page in ("status", "parsl", "individual-plots.json")]
        try:
            eventually(started.exists, "the imports begin")
            assert opened(root + "health") == "ok"
            assert [f.result(WAIT) for f in map(give, range(20))] == list(range(20))
            assert lane.client.submit(sum, [1, 2]).result(WAIT) == 3
            assert not any(page.done() for page in pages)
        finally:
            gate.touch()
        texts = [page.result(WAIT) for page in pages]
    assert "Dask" in texts[0] and "Parsl" in texts[1] and "/individual-progress" in texts[2]
