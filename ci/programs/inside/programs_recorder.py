"""A pytest plugin that writes down what becomes of each test, one JSON line an event, so that a kill loses nothing."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

_record = open(os.environ["PROGRAMS_RECORD"], "a", buffering=1)  # noqa: SIM115 - for the whole process
_process = os.getpid()


def _write(kind: str, test: str, **details: Any) -> None:
    # A child that a test forks has this plugin too, and is not asked.
    if os.getpid() == _process:
        _record.write(json.dumps({"event": kind, "test": test, **details}) + "\n")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.outcome == "failed":
        _write("report", report.nodeid, outcome="failed", text=str(report.longrepr)[-1500:])


def pytest_runtest_logstart(nodeid: str) -> None:
    _write("start", nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    text = report.longreprtext[-1500:] if report.outcome == "failed" else str(report.longrepr or "")[-300:]
    _write("report", report.nodeid, outcome=report.outcome, text=text)


def pytest_runtest_logfinish(nodeid: str) -> None:
    _write("finish", nodeid)
