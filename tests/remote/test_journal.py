"""A worker's last words can be read after it is gone."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from parsl_on_dask.remote.journal import HALF, Journal, read
from tests import interpreters


def test_the_last_reports_survive_a_kill(tmp_path: Path) -> None:
    path = str(tmp_path / "worker")
    program = (
        "import os, signal, sys\n"
        "from parsl_on_dask.remote.journal import Journal\n"
        "j = Journal(sys.argv[1]); j.add(b'one'); j.add(b'two'); j.running(3)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = interpreters.run([sys.executable, "-c", program, path])
    assert done.returncode == -signal.SIGKILL
    assert read(path) == (3, [b"one", b"two"])


def test_old_reports_make_room(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "worker"))
    for i in range(1000):
        journal.add(str(i).encode().rjust(HALF // 100))
    kept = sorted(int(r) for r in read(str(tmp_path / "worker"))[1])  # type: ignore[index]
    assert kept[-1] == 999
    assert kept == list(range(kept[0], 1000)), "the newest, without a gap"
    assert len(kept) >= 99


def test_a_report_that_is_too_large_is_left_out(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "worker"))
    journal.add(b"x" * (HALF + 1))
    journal.add(b"small")
    assert read(str(tmp_path / "worker")) == (0, [b"small"])


def test_no_journal(tmp_path: Path) -> None:
    assert read(os.fspath(tmp_path / "none")) is None
    (tmp_path / "torn").write_bytes(b"abc")
    assert read(os.fspath(tmp_path / "torn")) is None
