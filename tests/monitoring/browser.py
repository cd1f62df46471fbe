"""A real browser without a screen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.monitoring.needs import lacking

#: Widths and heights of a phone and of a desktop.
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}

NO_BROWSER = "needs a browser: pip install playwright, and apt-get install chromium or playwright install chromium"


class Browser:
    """Looks at pages, and notes what is wrong with them.

    Attributes
    ----------
    errors : list of str
        What the pages complained about.
    elsewhere : list of str
        Addresses that are not of this machine, and that the pages asked for.
    """

    def __init__(self, chromium: Any) -> None:
        self.chromium = chromium
        self.errors: list[str] = []
        self.elsewhere: list[str] = []

    @contextmanager
    def page(self, size: str = "desktop", dark: bool = False) -> Iterator[Any]:
        width, height = SIZES[size]
        context = self.chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            has_touch=size == "phone",
            is_mobile=size == "phone",
        )
        page = context.new_page()
        page.set_default_timeout(120_000)  # machines are busy
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.errors.append(str(e)))
        page.on("request", self._asked)
        try:
            yield page
        finally:
            context.close()

    def _asked(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("file", "data", "blob") and parts.hostname != "127.0.0.1":
            self.elsewhere.append(request.url)

    def settle(self, page: Any) -> None:
        """Wait until the charts of the page are drawn."""
        page.wait_for_load_state("load")
        page.wait_for_function(
            """() => [...document.querySelectorAll('.plot')].every(
                 p => p.firstElementChild && p.firstElementChild.shadowRoot
                      && p.firstElementChild.shadowRoot.querySelector('.bk-Canvas, canvas, .bk-CanvasPanel'))
               && [...document.querySelectorAll('.tasks')].every(t => t.dataset.shown !== undefined)""",
            timeout=60_000,
        )
        page.wait_for_timeout(400)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser; the test that asks is skipped when there is none."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        lacking(NO_BROWSER)
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    options = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=found, args=options)
        except Error as e:
            if found is None:
                lacking(NO_BROWSER)
            raise AssertionError(f"{found} does not start: {e}") from e
        try:
            yield Browser(chromium)
        finally:
            chromium.close()


def too_wide(page: Any) -> list[str]:
    """What makes the page scroll sideways."""
    found: list[str] = page.evaluate(
        """() => {
          const room = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= room) { return []; }
          return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > room + 1)
            .slice(0, 8).map(e => e.tagName + '.' + e.className + ' ' + (e.textContent || '').slice(0, 40));
        }"""
    )
    return found


def overlaps(page: Any) -> list[str]:
    """Pairs of texts that lie on each other."""
    found: list[str] = page.evaluate(
        """() => {
          const wanted = ['h1', 'h2', 'h3', 'p', 'dl > div', 'table', '.bar', '.plot', '.run', '.app']
            .map(w => 'main ' + w);
          const texts = [...document.querySelectorAll(wanted.concat(['header a', 'nav a']).join(', '))]
            .filter(e => e.checkVisibility({contentVisibilityAuto: true}))
            .map(e => [e, e.getBoundingClientRect()]).filter(([, r]) => r.width && r.height);
          const bad = [], start = e => e.textContent.slice(0, 30);
          for (let i = 0; i < texts.length; i++) for (let j = i + 1; j < texts.length && bad.length < 8; j++) {
            const [a, p] = texts[i], [b, q] = texts[j];
            if (a.contains(b) || b.contains(a)) continue;
            const w = Math.min(p.right, q.right) - Math.max(p.left, q.left);
            const h = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
            if (w > 2 && h > 3) bad.push(start(a) + ' | ' + start(b) + ' ' + [w, h].map(Math.round));
          }
          return bad;
        }"""
    )
    return found


def shoot(page: Any, folder: Path, name: str) -> Path:
    """Take a picture of the whole page."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    page.screenshot(path=str(path), full_page=True)
    return path
