"""Databases and servers that the tests of the pages share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from parsl_on_dask.monitoring.pages.database import Database
from parsl_on_dask.monitoring.pages.server import Pages
from tests.monitoring.databases import chain_run, large_run, mixed_run

MIXED, LARGE, CHAIN, RUNNING = "7d1f8a52-0001", "e5c0beef-0002", "c4a1-0005", "aaaa-running"


@pytest.fixture(scope="session")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with four runs: one with everything in it, one of 10,000 tasks, a long chain, and one that runs."""
    path = tmp_path_factory.mktemp("work") / "runinfo" / "monitoring.db"
    path.parent.mkdir()
    mixed_run(path, datetime(2026, 3, 9, 8, 53, 20), MIXED)
    large_run(path, datetime(2026, 3, 8, 20, 0, 0), run_id=LARGE)
    chain_run(path, datetime(2026, 3, 7, 20, 0, 0), run_id=CHAIN)
    mixed_run(path, datetime.now() - timedelta(seconds=30), RUNNING, finished=False)
    return path


@contextmanager
def serving(database: Database, token: bool = False) -> Iterator[Pages]:
    """The pages of a database, in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    pages = Pages(database, token=token)

    async def start() -> None:
        pages.start()

    async def stop() -> None:
        pages.stop()

    asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    try:
        yield pages
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)


@pytest.fixture(scope="module")
def site(monitored: Path) -> Iterator[SimpleNamespace]:
    """A server of that database, for the tests of a module."""
    with serving(Database(f"sqlite:///{monitored}")) as pages:
        base = pages.link.rstrip("/")
        yield SimpleNamespace(base=base, mixed=f"{base}/run/{MIXED}", large=f"{base}/run/{LARGE}", pages=pages)
