"""Every page in a real browser, on a phone and on a desktop, light and dark; a picture of each is kept.

The pictures are in the folder that ``PARSL_ON_DASK_PICTURES`` names, or else in pytest's temporary one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.monitoring import report
from parsl_on_dask.monitoring.pages.database import Database
from parsl_on_dask.monitoring.pages.model import Reader
from tests.monitoring.browser import SIZES, Browser, browser, overlaps, shoot, too_wide
from tests.monitoring.conftest import CHAIN, LARGE, MIXED, RUNNING, serving

PAGES = {
    "runs": "/",
    "overview": f"/run/{MIXED}",
    "running": f"/run/{RUNNING}",
    "graph": f"/run/{MIXED}/graph",
    "graph-by-app": f"/run/{MIXED}/graph?view=app",
    "tasks": f"/run/{MIXED}/tasks",
    "failures": f"/run/{MIXED}/failures",
    "resources": f"/run/{MIXED}/resources",
    "cache": f"/run/{MIXED}/cache",
    "task-failed": f"/run/{MIXED}/task/7",
    "task-not-run": f"/run/{MIXED}/task/50",
    "large": f"/run/{LARGE}",
    "large-graph": f"/run/{LARGE}/graph",
    "large-graph-by-step": f"/run/{LARGE}/graph?view=step",
    "large-graph-tasks": f"/run/{LARGE}/graph?view=task",
    "large-failures": f"/run/{LARGE}/failures",
    "chain-graph-tasks": f"/run/{CHAIN}/graph?view=task",
}
DARK = ("overview", "graph", "graph-by-app", "tasks", "failures", "resources", "task-failed")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wanted = os.environ.get("PARSL_ON_DASK_PICTURES")
    return Path(wanted) if wanted else tmp_path_factory.mktemp("pictures")


def look(chromium: Browser, url: str, size: str, dark: bool, picture: Path) -> None:
    """Open a page, find nothing wrong with it, and take its picture."""
    chromium.errors.clear()
    chromium.elsewhere.clear()
    with chromium.page(size, dark) as page:
        page.goto(url)
        chromium.settle(page)
        assert too_wide(page) == [] and overlaps(page) == []
        assert [name for name in drawn(page) if not drawn(page)[name]] == []
        assert contrast(page) >= 4.5
        shoot(page, picture.parent, picture.name)
    assert chromium.errors == [] and chromium.elsewhere == []


def drawn(page: Any) -> dict[str, bool]:
    """For each chart, whether anything is on it."""
    found: dict[str, bool] = page.evaluate(
        """() => {
          const canvases = root => [...root.querySelectorAll('*')].flatMap(
            e => [...(e.tagName === 'CANVAS' ? [e] : []), ...(e.shadowRoot ? canvases(e.shadowRoot) : [])]);
          const plots = [...document.querySelectorAll('.plot')];
          return Object.fromEntries(plots.map(plot => [plot.id, canvases(plot).some(c => {
            if (!c.width || !c.height) { return false; }
            const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            let inked = 0;
            for (let i = 3; i < data.length; i += 4) { if (data[i] > 20) { inked++; } }
            return inked > 200;
          })]));
        }"""
    )
    return found


def contrast(page: Any) -> float:
    """Contrast of the quiet text, which is the weakest, with the page."""
    value: float = page.evaluate(
        """() => {
          const probe = document.createElement('span');
          document.body.appendChild(probe);
          const light = name => {
            probe.style.color = `var(${name})`;
            const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
              .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
          };
          const a = light('--quiet'), b = light('--paper');
          probe.remove();
          return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        }"""
    )
    return value


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_readable(chromium: Browser, site: SimpleNamespace, name: str, size: str, pictures: Path) -> None:
    look(chromium, site.base + PAGES[name], size, False, pictures / f"{name}-{size}")


@pytest.mark.parametrize("name", DARK)
def test_pages_are_readable_in_the_dark(chromium: Browser, site: SimpleNamespace, name: str, pictures: Path) -> None:
    """Colours do not depend on the size."""
    look(chromium, site.base + PAGES[name], "desktop", True, pictures / f"{name}-dark")


@pytest.mark.parametrize(
    ("run", "size", "dark"),
    [(MIXED, "phone", False), (MIXED, "desktop", True), (LARGE, "phone", True), (LARGE, "desktop", False)],
)
def test_reports_are_readable(
    chromium: Browser, monitored: Path, tmp_path: Path, run: str, size: str, dark: bool, pictures: Path
) -> None:
    reader = Reader(Database(f"sqlite:///{monitored}"))
    path = tmp_path / "report.html"
    report.write(reader, report.choose(reader, run=run), path)
    name = f"report-{'large-' if run == LARGE else ''}{size}{'-dark' if dark else ''}"
    look(chromium, path.as_uri(), size, dark, pictures / name)


def test_the_table_is_filtered_and_sorted_by_hand(chromium: Browser, site: SimpleNamespace) -> None:
    with chromium.page() as page:
        page.goto(f"{site.large}/tasks")
        chromium.settle(page)
        assert page.inner_text(".pager span") == "1 to 50 of 10,000"
        page.select_option("select[name=kind]", "failed")
        page.wait_for_selector(".tasks[data-shown='6']")
        page.fill("input[name=q]", "diverged")
        page.wait_for_selector(".tasks[data-shown='6']")
        page.click("th button[data-sort=task]")
        page.wait_for_function("document.querySelector('tbody a').textContent !== '77'")
        page.click("tbody a >> nth=0")
        page.wait_for_selector("text=Why it failed")


def test_a_reports_table_is_filtered_without_a_server(chromium: Browser, monitored: Path, tmp_path: Path) -> None:
    reader = Reader(Database(f"sqlite:///{monitored}"))
    path = tmp_path / "report.html"
    report.write(reader, report.choose(reader, run=MIXED), path)
    with chromium.page("phone") as page:
        page.goto(path.as_uri())
        chromium.settle(page)
        page.select_option("select[name=app]", "align_reads")
        page.wait_for_selector(".tasks[data-shown='24']")
        page.select_option("select[name=kind]", "retried")
        page.wait_for_selector(".tasks[data-shown='4']")


def test_a_click_on_a_task_of_the_graph_opens_it(chromium: Browser, site: SimpleNamespace) -> None:
    with chromium.page() as page:
        page.goto(f"{site.mixed}/graph")
        chromium.settle(page)
        # where the failed task of the first step is drawn
        at = page.evaluate(
            """() => {
              const view = Object.values(Bokeh.index.roots || Bokeh.index)[0];
              const figure = view.model, source = figure.renderers.at(-1).data_source;
              const box = document.querySelector('.plot').getBoundingClientRect();
              const i = source.data.task.indexOf(7), frame = view.frame;
              const x = frame.x_scale.compute(source.data.x[i]), y = frame.y_scale.compute(source.data.y[i]);
              return [box.left + x, box.top + y];
            }"""
        )
        page.mouse.click(*at)
        page.wait_for_url("**/task/7")


def test_a_running_page_follows_its_run(chromium: Browser, tmp_path: Path) -> None:
    from datetime import datetime

    from tests.monitoring.databases import Writer

    path = tmp_path / "monitoring.db"
    writer = Writer(path, "r1", "grow.py", datetime.now())
    writer.task(0, "first", 0.0, tries=[(0.1, 0.2, None)])
    writer.db.commit()
    with serving(Database(f"sqlite:///{path}")) as pages, chromium.page() as page:
        page.goto(f"{pages.link}run/r1")
        page.wait_for_selector("text=of 1 task ended")
        for i in range(1, 5):
            writer.task(i, "second", 0.3, depends=[0], tries=[(0.4, 0.5, None)], host=f"n{i}")
        writer.db.commit()
        page.wait_for_selector("text=of 5 tasks ended", timeout=60_000)
        page.wait_for_function(
            "Object.values(Bokeh.documents).some(d => d.roots().some(r => r.name === 'gantt'"
            " && r.y_range.factors.length === 5))",
            timeout=60_000,
        )
        writer.end(1.0)
        page.wait_for_selector("text=finished", timeout=60_000)
