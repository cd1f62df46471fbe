"""One part of the suite in one configuration: pytest processes until every test has had its turn.

A test that hangs, ends its process or leaves tasks unfinished costs that one test: the rest goes on in
a new process. What happened is read from the file that ``inside/recorder.py`` writes line by line.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conform import processes
from conform.suite import CONFIGS, Suite

__all__ = ["Event", "Part", "Settings", "run"]

Event = dict[str, Any]
INSIDE = Path(__file__).resolve().parent.parent / "inside"
RESTARTS = 40


@dataclass(frozen=True)
class Settings:
    """What all parts of one conformance run share."""

    python: str
    package: str
    suite: Suite
    scratch: Path
    limit: float
    #: Set when no more processes are to be started.
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        """The run's name, which all of its processes carry."""
        return self.scratch.name


@dataclass
class Part:
    """Some of the suite's files, or some of its tests, in one configuration."""

    config: str
    files: list[str]
    only: set[str] = field(default_factory=set)
    leave_out: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return f"{self.config}, {len(self.files)} files"


def run(part: Part, settings: Settings) -> tuple[list[Event], list[str]]:
    """Run a part; return what was recorded and remarks about processes that did not end well."""
    work = settings.scratch / uuid.uuid4().hex
    work.mkdir()
    attempt = _Attempt(part, settings, work)
    try:
        return attempt.all()
    finally:
        processes.end_all(attempt.name)


class _Attempt:
    def __init__(self, part: Part, settings: Settings, work: Path) -> None:
        self.part, self.settings, self.work = part, settings, work
        self.name = f"{settings.name}/{work.name}"
        self.record = work / "record.jsonl"

    def all(self) -> tuple[list[Event], list[str]]:
        events: list[Event] = []
        remarks: list[str] = []
        done: set[str] = set()
        for _ in range(RESTARTS):
            new, end = self.once(done)
            events += new
            if end in ("done", "hung at its end"):
                if end != "done":
                    remarks.append(f"{self.part}: pytest {end}")
                return events, remarks
            finished, broken = _names(new, "finish"), _names(new, "start") - _names(new, "finish")
            events += [{"ev": "killed", "id": test, "msg": f"pytest {end} in this test"} for test in broken]
            where = broken or _names(new, "stuck")
            remarks.append(f"{self.part}: pytest {end} in {', '.join(sorted(where)) or 'no test'}")
            if self.settings.stop.is_set():
                return events, remarks
            if not (finished | broken) - done:
                remarks.append(f"{self.part}: given up; the end of pytest's output:\n{self.tail()}")
                return events, remarks
            done |= finished | broken
        remarks.append(f"{self.part}: given up after {RESTARTS} processes")
        return events, remarks

    def once(self, done: set[str]) -> tuple[list[Event], str]:
        before = len(self.events())
        with open(self.work / "pytest.log", "ab") as log:
            process = subprocess.Popen(
                self.command(),
                cwd=self.folder(),
                env=self.environment(done),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = self.watch(process)
        if process.poll() is None:
            process.kill()
            process.wait()
        processes.end_all(self.name)
        new = self.events()[before:]
        if end == "done" and not _names(new, "end"):
            stuck = _names(new, "stuck")
            end = "was ended to drop unfinished tasks" if stuck else f"died with status {process.returncode}"
        return new, end

    def watch(self, process: subprocess.Popen[bytes]) -> str:
        # one test, its teardown as long again, and what a slow machine adds
        patience = 2 * self.settings.limit + 60
        size, since, still, ended = -1, time.monotonic(), 0, False
        while process.poll() is None:
            time.sleep(0.2)
            still = still + 1 if processes.stopped(process.pid) else 0
            if still > 50:
                return "was stopped by a signal"
            now = self.record.stat().st_size if self.record.exists() else 0
            if now != size:
                size, since = now, time.monotonic()
                ended = any(event["ev"] == "end" for event in self.events()[-1:])
            if time.monotonic() - since > (30 if ended else patience):
                return "hung at its end" if ended else "hung"
        return "done"

    def command(self) -> list[str]:
        suite = self.settings.suite
        config, terms = CONFIGS[self.part.config]
        if os.geteuid() == 0:
            # They write where an ordinary user may not.
            terms += " and not unix_filesystem_permissions_required"
        return [
            *(self.settings.python, "-m", "pytest", *(str(suite.root / file) for file in self.part.files)),
            *("--rootdir", str(suite.root), "--confcutdir", str(suite.tests), "-c", os.devnull, "-o", "addopts="),
            *("-p", "no:cacheprovider", "-p", "recorder", "-q", "--tb=short", "--continue-on-collection-errors"),
            *("--config", config if config == "local" else str(suite.root / config), "-k", terms),
        ]

    def environment(self, done: set[str]) -> dict[str, str]:
        forbidden = ("PYTHONHOME", "PYTHONSTARTUP", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_CURRENT_TEST")
        env = {name: value for name, value in os.environ.items() if name not in forbidden}
        path = [str(INSIDE), *([env["PYTHONPATH"]] if env.get("PYTHONPATH") else [])]
        env.update(
            PATH=os.pathsep.join([os.path.dirname(self.settings.python), env.get("PATH", os.defpath)]),
            PYTHONPATH=os.pathsep.join(path),
            PYTHONDONTWRITEBYTECODE="1",
            PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
            PY_IGNORE_IMPORTMISMATCH="1",
            PARSL_CONFORMANCE_PACKAGE=self.settings.package,
            PARSL_CONFORMANCE_TESTS=str(self.settings.suite.tests),
            PARSL_CONFORMANCE_RECORD=str(self.record),
            PARSL_CONFORMANCE_LIMIT=str(self.settings.limit),
            PARSL_CONFORMANCE_SKIP=self.listing("skip.txt", done | self.part.leave_out),
            PARSL_CONFORMANCE_ONLY=self.listing("only.txt", self.part.only) if self.part.only else "",
        )
        env[processes.MARK] = self.name
        return env

    def listing(self, name: str, tests: Iterable[str]) -> str:
        path = self.work / name
        path.write_text("".join(f"{test}\n" for test in sorted(tests)))
        return str(path)

    def folder(self) -> Path:
        cwd = self.work / "cwd"
        cwd.mkdir(exist_ok=True)
        return cwd

    def events(self) -> list[Event]:
        if not self.record.exists():
            return []
        events = []
        for line in self.record.read_text().splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                pass  # a line that a kill cut off
        return events

    def tail(self) -> str:
        return (self.work / "pytest.log").read_text(errors="replace")[-2000:]


def _names(events: Iterable[Event], kind: str) -> set[str]:
    return {event.get("id", "") for event in events if event["ev"] == kind}
