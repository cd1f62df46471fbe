"""What some tests need that no package index has."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(reason: str) -> NoReturn:
    """Skip the test that asks; where everything has to be there (ci/monitoring), fail it."""
    if os.environ.get("PARSL_ON_DASK_REQUIRE_MONITORING"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
