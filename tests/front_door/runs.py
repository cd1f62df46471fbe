"""What the tests of runs without a terminal share: a folder with its own records, and the commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parsl_on_dask.common import run_records
from parsl_on_dask.common.run_records import RunRecord
from parsl_on_dask.front_door import ends
from tests import interpreters
from tests.front_door.programs import FRONT, SOURCE, write
from tests.helpers import WAIT, alive, eventually

HELD = """
    import os, sys, time
    import parsl

    @parsl.python_app
    def held(gate):
        while not os.path.exists(gate):
            time.sleep(0.01)
        return gate

    @parsl.python_app
    def quick(n):
        if n < 0:
            raise ValueError(n)
        return n

    def go_on(gate="gate"):
        while not os.path.exists(gate):
            time.sleep(0.01)
    """
"""The beginning of scripts that wait for files."""


class Folder:
    """A directory in which runs are started, whose records are in it, too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = str(path / "state" / "parsl_on_dask" / "runs")
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")])),
            "XDG_STATE_HOME": str(path / "state"),
            "COLUMNS": "120",
        }

    def script(self, text: str, name: str = "script.py") -> str:
        write(self.path, name, text)
        return name

    def held(self, text: str, name: str = "script.py") -> str:
        return self.script(textwrap.dedent(HELD) + textwrap.dedent(text), name)

    def open(self, gate: str = "gate") -> None:
        (self.path / gate).touch()

    def call(self, *words: str, code: int = 0, **options: Any) -> str:
        """Run a command of the package to its end, and return what it prints."""
        done = interpreters.run(
            [sys.executable, *FRONT, *words],
            cwd=options.pop("cwd", self.path),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=WAIT,
            **options,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return str(done.stdout + done.stderr)

    @contextmanager
    def calling(self, *words: str, **options: Any) -> Iterator[subprocess.Popen[Any]]:
        """Run a command beside the block; it has to end by itself, or in the block."""
        command = [sys.executable, *FRONT, *words]
        with subprocess.Popen(
            command,
            cwd=self.path,
            env={**self.environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        ) as process:
            try:
                yield process
                process.wait(WAIT)
            finally:
                process.kill()

    def detach(self, *words: str) -> str:
        """Start a run, and return its name."""
        said = self.call("run", "--detach", *words)
        found = re.match(r"(\S+) runs without this terminal", said)
        assert found is not None, said
        return found[1]

    def record(self, name: str) -> RunRecord:
        found = run_records.read(name, where=self.records)
        assert found is not None
        return found

    def pid(self, name: str) -> int:
        process = self.record(name).process
        assert process is not None
        return process[0]

    def listed(self, *words: str) -> dict[str, dict[str, Any]]:
        """What ``ps`` shows, by name."""
        return {row["name"]: row for row in json.loads(self.call("ps", "--json", *words))}

    def log(self, name: str) -> str:
        return Path(self.record(name).log).read_text()

    def says(self, name: str, text: str) -> None:
        """Wait until the log of a run has a text."""
        eventually(lambda: text in self.log(name), f"{text!r} in the log of {name}")

    def ends(self, name: str) -> RunRecord:
        """Wait until a run has ended."""
        eventually(lambda: self.record(name).ended is not None, f"{name} ends")
        keeper = self.record(name).keeper
        assert keeper is not None
        eventually(lambda: not alive(keeper[0]), "its keeper, too")
        return self.record(name)

    def clear(self) -> None:
        """End what a test has left."""
        for record in run_records.read_all(where=self.records):
            here = (record.host, record.boot) == run_records.machine()
            if here and record.keeper is not None and not run_records.state_of(record).over:
                ends.end_all(record)
