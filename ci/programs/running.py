"""A program's commands in one environment, and what becomes of its tests."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ci.conformance.conform import processes
from ci.programs.listing import Program

INSIDE = Path(__file__).resolve().parent / "inside"


@dataclass
class Outcomes:
    """What became of tests, by their ids.

    Attributes
    ----------
    states : dict
        ``"passed"``, ``"failed"`` or ``"skipped"`` by test.
    texts : dict
        What a test that did not pass said at its end.
    """

    states: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def passed(self) -> list[str]:
        """The tests that passed."""
        return sorted(test for test, state in self.states.items() if state == "passed")

    def counts(self) -> dict[str, int]:
        """How many tests are in each state."""
        return dict(Counter(self.states.values()))

    def note(self, test: str, state: str, text: str = "") -> None:
        """Keep what became of a part of a test; the worst part counts, and the first of those that are equal."""
        order = ("passed", "skipped", "failed")
        if test not in self.states or order.index(state) > order.index(self.states[test]):
            self.states[test] = state
            if state != "passed":
                self.texts[test] = text


def run(program: Program, source: Path, python: str, work: Path) -> Outcomes:
    """Run a program's commands on a fresh copy of its files.

    Parameters
    ----------
    program
        The program.
    source
        Its files.
    python
        Python of the environment.
    work
        Folder for the copy, which is made anew.
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    shutil.copytree(source, work / "program", symlinks=True, ignore=shutil.ignore_patterns(".git"))
    (work / "home").mkdir()
    seen = Outcomes()
    for command in program.run:
        done = _once(program, command, python, work)
        seen.states |= done.states
        seen.texts |= done.texts
    return seen


def _once(program: Program, command: str, python: str, work: Path) -> Outcomes:
    kind, *words = shlex.split(command)
    record = work / f"{uuid.uuid4().hex}.jsonl"
    record.touch()
    name = f"programs-{uuid.uuid4().hex}"
    began = time.monotonic()
    with open(work / "output.txt", "a") as log:
        log.write(f"\n$ {command}\n")
        log.flush()
        process = subprocess.Popen(
            _words(kind, words, python, program),
            cwd=work / "program" / program.root,
            env=_environment(program, python, work, record, name),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status: int | None = process.wait(program.limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _end(process, name)
        log.write(f"\n[{'over its time limit' if status is None else f'status {status}'}]\n")
    said = f"over the limit of {program.limit} s" if status is None else f"ended with status {status}"
    seen = _read(record, said)
    if kind == "python":
        tail = _tail(work / "output.txt")
        seen.note(_label(command), "passed" if status == 0 else "failed", "" if status == 0 else f"{said}: {tail}")
    elif not seen.states:
        seen.note(
            _label(command), "failed", f"{said} after {time.monotonic() - began:.0f} s: {_tail(work / 'output.txt')}"
        )
    return seen


def _label(command: str) -> str:
    """The name of a command that counts as one test; of a text of several lines the last one that says something."""
    lines = [line for line in command.splitlines() if line.strip(' "')]
    return command if len(lines) == 1 else f"python -c: {lines[-1].strip()}"


def _words(kind: str, words: list[str], python: str, program: Program) -> list[str]:
    if kind == "python":
        return [python, *words]
    if kind == "notebook":
        return [python, str(INSIDE / "programs_notebook.py"), *words]
    plugins = ["-p", "programs_recorder", "-p", "no:cacheprovider", f"--timeout={program.test_limit}"]
    return [python, "-m", "pytest", "-q", "--tb=short", *plugins, *words]


def _environment(program: Program, python: str, work: Path, record: Path, name: str) -> dict[str, str]:
    forbidden = ("PYTHONHOME", "PYTHONSTARTUP", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "VIRTUAL_ENV")
    env = {key: value for key, value in os.environ.items() if key not in forbidden}
    env.update(
        PATH=os.pathsep.join([os.path.dirname(python), env.get("PATH", os.defpath)]),
        PYTHONPATH=str(INSIDE),
        PYTHONDONTWRITEBYTECODE="1",
        HOME=str(work / "home"),
        PROGRAMS_RECORD=str(record),
        PROGRAMS_TEST_LIMIT=str(program.test_limit),
    )
    env.update(program.environment)
    env[processes.MARK] = name
    return env


def _end(process: subprocess.Popen[bytes], name: str) -> None:
    """End a command, its process group, and what it started in groups of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue
    processes.end_all(name)


def _read(record: Path, ending: str) -> Outcomes:
    seen, started = Outcomes(), set()
    for line in record.read_text().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a line that a kill cut off
        if event["event"] == "start":
            started.add(event["test"])
        elif event["event"] == "finish":
            started.discard(event["test"])
        else:
            seen.note(event["test"], event["outcome"], event["text"])
    for test in started:
        seen.note(test, "failed", f"the run {ending} in this test")
    return seen


def _tail(file: Path) -> str:
    return file.read_text(errors="replace")[-800:].strip()
