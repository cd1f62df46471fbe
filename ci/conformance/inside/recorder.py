"""A pytest plugin that writes down what happens, one JSON line an event, so that a kill loses nothing.

It also gives each test a time limit, runs only the tests that are asked for, gives parameters that are
made by :mod:`random` the same names each time, and keeps one failure from becoming that of every later
test: a kernel that a test left loaded is taken away, and with tasks left unfinished the process ends.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

_record = open(os.environ["PARSL_CONFORMANCE_RECORD"], "a", buffering=1)  # noqa: SIM115 - for the whole process
_limit = float(os.environ["PARSL_CONFORMANCE_LIMIT"])
_lock = threading.Lock()


def _write(kind: str, **details: Any) -> None:
    with _lock:
        _record.write(json.dumps({"ev": kind, **details}) + "\n")


def _listed(variable: str) -> set[str]:
    path = os.environ.get(variable)
    if not path:
        return set()
    with open(path) as file:
        return set(file.read().splitlines())


_skip, _only = _listed("PARSL_CONFORMANCE_SKIP"), _listed("PARSL_CONFORMANCE_ONLY")


def _wanted(test: str) -> bool:
    names = {test, test.partition("[")[0], test.partition("::")[0]}
    return not names & _skip and (not _only or bool(names & _only))


# ---- which tests there are


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    random.seed(20260101)
    yield
    random.seed()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    yield
    items[:] = [item for item in items if _wanted(item.nodeid)]
    for item in items:
        _write("selected", id=item.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.outcome == "failed":
        _write("uncollected", id=report.nodeid, msg=str(report.longrepr)[-3000:])


# ---- what becomes of them


class TestTimeLimit(BaseException):
    """Raised in the main thread when a test takes too long."""

    __test__ = False


def _over(number: int, frame: object) -> None:
    # again soon, for the case that this one is swallowed
    signal.setitimer(signal.ITIMER_REAL, 20)
    raise TestTimeLimit(f"over the time limit of {_limit:.0f} s")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _over)
    signal.setitimer(signal.ITIMER_REAL, _limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if item.config.getoption("config")[0] != "local":
        if _unfinished():
            _write("stuck", id=item.nodeid)
            os._exit(70)
    elif _kernel() is not None and _may_be_dropped(item, nextitem):
        _drop(item.nodeid)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    if call.excinfo is not None and call.excinfo.errisinstance(TestTimeLimit):
        # as long again for the teardown
        signal.setitimer(signal.ITIMER_REAL, _limit)
    yield


def pytest_runtest_logstart(nodeid: str) -> None:
    _write("start", id=nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    text = ""
    if report.outcome == "failed":
        text = report.longreprtext[-4000:]
    elif report.outcome == "skipped":
        text = str(report.longrepr)[-600:]
    seconds, expected = round(report.duration, 3), hasattr(report, "wasxfail")
    _write("report", id=report.nodeid, when=report.when, outcome=report.outcome, s=seconds, msg=text, expected=expected)


def pytest_runtest_logfinish(nodeid: str) -> None:
    _write("finish", id=nodeid)


def pytest_sessionfinish() -> None:
    _write("end")


# ---- the kernel that a test uses


def _kernel() -> Any:
    """The one that is loaded, or None."""
    try:
        return sys.modules["parsl"].dfk()
    except Exception:  # none is loaded, or Parsl was not even imported
        return None


def _may_be_dropped(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Whether the kernel is not the one that a module has for all of its tests."""
    module = getattr(item, "module", None)
    kept = any(getattr(module, name, None) for name in ("local_config", "local_setup"))
    return not kept or nextitem is None or getattr(nextitem, "module", None) is not module


def _drop(test: str) -> None:
    import parsl
    from parsl.dataflow.dflow import DataFlowKernelLoader

    _write("left loaded", id=test)
    cleanup = threading.Thread(target=_kernel().cleanup, daemon=True)
    cleanup.start()
    cleanup.join(30)
    try:
        parsl.clear()
    except Exception as error:
        _write("remark", msg=f"clear() after {test}: {error!r}")
    DataFlowKernelLoader._dfk = None


def _unfinished() -> bool:
    """Whether tasks of the session's kernel are still unfinished some seconds after a test."""
    for _ in range(50):
        if all(task["app_fu"].done() for task in list(getattr(_kernel(), "tasks", {}).values())):
            return False
        time.sleep(0.1)
    return True
