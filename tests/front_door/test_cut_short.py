"""`python -m parsl_on_dask report | head`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import interpreters
from tests.front_door.programs import FRONT, write


@pytest.mark.parametrize("command", ["check script.py", "ps --json"])
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, command: str) -> None:
    write(tmp_path, "script.py", "import parsl; parsl.load()")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = interpreters.run(
            [sys.executable, *FRONT, *command.split()],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
    assert (done.returncode, done.stderr) == (1, "")
