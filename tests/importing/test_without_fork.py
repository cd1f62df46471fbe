"""Threads and existing clusters need nothing that only POSIX has; commands need a bash."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.front_door.programs import python

REPOSITORY = Path(__file__).parents[2]
WITHOUT = """
import os, runpy, signal, sys
if sys.argv[2:]:
    import distributed  # with psutil and asyncio, which have other modules where these are missing
os.environ["USERNAME"] = "somebody"
for name in "fork register_at_fork killpg getuid geteuid setsid sched_getaffinity uname wait4".split():
    delattr(os, name)
for name in ("fcntl", "grp", "pwd", "resource", "termios", "tty", "pty"):
    sys.modules[name] = None
for name in ("SIGKILL", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGCHLD"):
    delattr(signal, name)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("place", ["threads", "existing"])
def test_a_script(tmp_path: Path, place: str, request: pytest.FixtureRequest) -> None:
    (tmp_path / "without.py").write_text(WITHOUT)
    addresses = [request.getfixturevalue("existing_cluster")] if place == "existing" else []
    done = python(tmp_path, "without.py", str(REPOSITORY / "ci" / "portable.py"), *addresses)
    assert done.stdout.startswith("passed on"), done.stderr
