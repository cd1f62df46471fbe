"""Servers for the tests of staging."""

from __future__ import annotations

from collections.abc import Iterator

import cloudpickle
import pytest

from tests.data_provider import servers
from tests.data_provider.servers import WebServer, web_server

cloudpickle.register_pickle_by_value(servers)


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server of the test's own."""
    with web_server() as server:
        yield server
