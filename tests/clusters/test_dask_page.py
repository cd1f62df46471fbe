"""The Parsl page of Dask's dashboard, and the links to it."""

from __future__ import annotations

import re
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.clusters.dask_page import columns, summary
from tests.helpers import WAIT, eventually
from tests.monitoring.browser import SIZES, browser, shoot, too_wide

pytest.importorskip("bokeh", reason="pip install bokeh")
CONFIG = {"initialize_logging": False}


@pytest.fixture(scope="module", params=["threads", "processes"])
def config_name(request: pytest.FixtureRequest) -> str:
    """Existing clusters have dashboards of their own."""
    name: str = request.param
    return name


@python_app
def hold(gate: str) -> None:
    import os
    import time

    while not os.path.exists(gate):
        time.sleep(0.01)


@python_app
def fail() -> None:
    raise ValueError("no")


def news(kernel: Any) -> dict[str, Any]:
    """What the scheduler was told last."""
    client = next(iter(kernel.executors.values())).lane.client

    def told(dask_scheduler: Any) -> Any:
        return {key: dask_scheduler.parsl_news[key] for key in ("rows", "workflow", "at", "seen")}

    found: dict[str, Any] = client.run_on_scheduler(told)
    return found


def test_the_link_leads_to_a_page_with_a_menu(kernel: Any) -> None:
    link = kernel.dashboard_link
    assert link.startswith("http://127.0.0.1:") and link.endswith("/parsl")
    assert kernel.dashboard_links == {kernel.labels()[0]: link}
    with urllib.request.urlopen(link, timeout=60) as answer:
        text = answer.read().decode()
    assert answer.status == 200 and "status" in text and re.search(r'href="[./]*parsl"', text)


def test_the_scheduler_is_told_how_the_tasks_are(kernel: Any, gate: str) -> None:
    fail().exception(WAIT)
    held = [hold(gate) for _ in range(6)]

    def row(app: str) -> tuple[int, ...] | None:
        return next((tuple(r[1:]) for r in news(kernel)["rows"] if r[0] == app), None)

    eventually(lambda: row("hold") == (0, 0, 2, 4, 0), "two run and four wait")
    Path(gate).touch()
    for future in held:
        future.result(WAIT)
    eventually(lambda: row("hold") == (6, 0, 0, 0, 0) and row("fail") == (0, 0, 0, 0, 1), "all have ended")


def test_the_page_in_a_browser(kernel: Any, gate: str, tmp_path: Path) -> None:
    held = [hold(gate) for _ in range(6)]
    with browser() as chromium:
        for size in SIZES:
            with chromium.page(size) as page:
                page.goto(kernel.dashboard_link)
                page.wait_for_selector("text=tasks ended", timeout=60_000)
                page.wait_for_selector("text=2 running", timeout=60_000)
                assert too_wide(page) == []
                shoot(page, tmp_path, f"dask-{size}")
        with chromium.page() as page:
            page.goto(kernel.dashboard_link)
            page.wait_for_selector("text=2 running", timeout=60_000)
            Path(gate).touch()
            page.wait_for_selector("text=2 running", state="hidden", timeout=60_000)
        assert chromium.errors == []
    for future in held:
        future.result(WAIT)


def test_what_the_page_says() -> None:
    assert "No app was called yet" in summary({"rows": [], "workflow": "w.py", "seen": []})
    told = {
        "rows": [("a", 5, 1, 2, 4, 0), ("b", 0, 0, 0, 0, 3)],
        "workflow": "<w>.py",
        "seen": [(time.time() - 2, 4), (time.time(), 8)],
    }
    text = summary(told)
    assert "9 of 15 tasks ended" in text and "&lt;w&gt;.py" in text and "3 failed" in text and "2 tasks/s" in text
    assert columns(told)["done_share"] == [100 * 5 / 12, 0.0]
