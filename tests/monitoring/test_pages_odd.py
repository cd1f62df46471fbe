"""Odd values in links: each gives a page, or an error of the one who asks, and never one of the server."""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from parsl_on_dask.monitoring.pages.database import Database
from tests.monitoring.conftest import MIXED, serving

ROUTES = [
    "/",
    f"/run/{MIXED}",
    *(f"/run/{MIXED}/{tab}" for tab in ("graph", "tasks", "failures", "resources", "cache")),
    f"/run/{MIXED}/live.json",
    f"/run/{MIXED}/tasks.json",
    f"/run/{MIXED}/task/1",
    "/static/style.css",
    "/static/bokeh.js",
    "/nowhere",
]
PARAMETERS = ("app", "kind", "q", "sort", "down", "page", "view", "token")
VALUES = [
    "",
    "-1",
    "1.5",
    "1e3",
    "0x10",
    "9" * 9,
    "9" * 25,
    "9" * 5000,
    "nan",
    "abc",
    "'; DROP TABLE task; --",
    "%",
    "%s %d",
    "{}",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "²",
    "\u0663",
    "é",
    "\u202e\U0001f600",
    "\0",
    "a\0b",
    "\r\nSet-Cookie: x=1",
    "x" * 4_000,
    "None",
    "[]",
    "true",
]
ODD = [
    *(quote(value, safe="") for value in VALUES),
    "%ff%fe",
    "%ed%a0%80",
    "%",
    "%zz",
    "+",
]
#: The task's number, and the run's name.
PATHS = [
    *(f"/run/{MIXED}/task/{odd}" for odd in ODD),
    *(f"/run/{odd}" for odd in ODD),
    *(f"/run/{odd}/tasks.json" for odd in ODD),
    *(f"/run/{MIXED}/{odd}" for odd in ODD),
]


def status(site: SimpleNamespace, path: str, **headers: str) -> int:
    """What a request without a cookie gets."""
    site.connection.request("GET", path, headers=headers)
    answer = site.connection.getresponse()
    text = answer.read()
    code: int = answer.status
    assert b"<script>alert" not in text
    assert code == 200 or b"Traceback" not in text
    return code


@pytest.fixture(scope="module", params=[False, True], ids=["open", "with a key"])
def site(monitored: Path, request: pytest.FixtureRequest) -> Iterator[SimpleNamespace]:
    with serving(Database(f"sqlite:///{monitored}"), token=request.param) as pages:
        connection = http.client.HTTPConnection("127.0.0.1", pages.port, timeout=60)
        yield SimpleNamespace(connection=connection, token=request.param, pages=pages)
        connection.close()


@pytest.mark.parametrize("route", ROUTES)
def test_odd_values_of_parameters(site: SimpleNamespace, route: str) -> None:
    # each parameter is read by at most one route, so they are asked for together; all else is a page that takes long
    for odd in ODD if "graph" in route or "json" in route else ODD[::4]:
        query = "&".join(f"{name}={odd}" for name in PARAMETERS) + f"&view={odd}&{odd}={odd}"
        assert status(site, f"{route}?{query}") in (200, 400, 403, 404), (route, query[:100])


def test_odd_values_each_alone_where_they_are_read(site: SimpleNamespace) -> None:
    route = f"/run/{MIXED}/tasks.json"
    for name, odd in itertools.product(PARAMETERS, ODD):
        code = status(site, f"{route}?{name}=0&{name}={odd}")
        assert code in ((400, 403) if site.token else (200, 400)), (name, odd[:100])
        if name == "page" and not site.token:
            assert (code == 200) == (odd in ("", "9" * 9, "%00", "+")), odd[:100]


def test_odd_paths(site: SimpleNamespace) -> None:
    for path in PATHS:
        assert status(site, path) in (200, 400, 403, 404, 503), path[:100]


def test_every_column_can_be_sorted_by(site: SimpleNamespace) -> None:
    from parsl_on_dask.monitoring.pages.render import COLUMNS

    for column, down in itertools.product(COLUMNS, ("", "1")):
        assert status(site, f"/run/{MIXED}/tasks.json?sort={column}&down={down}") == (403 if site.token else 200)


def test_odd_cookies_and_hosts(site: SimpleNamespace) -> None:
    for odd in ("é", "=", ";;;", '"', "a=\\377", "x" * 5000):
        cookie = f"parsl-on-dask-pages-{site.pages.port}={odd}"
        assert status(site, "/", Cookie=cookie) == (403 if site.token else 200), odd[:50]
    for odd in ("[", "]:1", "a:b", "127.0.0.1:999999999", "é", "127.0.0.1.evil"):
        assert status(site, "/", Host=odd) in (200, 400, 403), odd
