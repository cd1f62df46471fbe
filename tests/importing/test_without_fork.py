"""Threads and existing clusters need nothing that only POSIX has."""

from __future__ import annotations

from pathlib import Path

from tests.front_door.programs import python

SCRIPT = """
import os, signal, sys
os.environ["USERNAME"] = "somebody"
for name in "fork register_at_fork killpg getuid geteuid setsid sched_getaffinity uname wait4".split():
    delattr(os, name)
for name in ("fcntl", "grp", "pwd", "resource", "termios", "tty", "pty"):
    sys.modules[name] = None
for name in ("SIGKILL", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGCHLD"):
    delattr(signal, name)
import parsl_on_dask as parsl
from parsl_on_dask import Config, DaskExecutor, File, HighThroughputExecutor, bash_app, join_app, python_app
from parsl_on_dask.dataflow.memoization import BasicMemoizer

@python_app(cache=True)
def double(x, walltime=60):
    return 2 * x

@join_app
def joined(x):
    return double(x)

@python_app
def write(outputs=()):
    with open(outputs[0], "w") as file:
        file.write("written")

with parsl.load(Config(memoizer=BasicMemoizer(checkpoint_mode="task_exit"))):
    print([double(i).result() for i in (1, 2, 1)], joined(4).result())
    with open(write(outputs=[File("o")]).outputs[0].result()) as file:
        print(file.read())
"""


def test_a_script_on_threads(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(SCRIPT)
    done = python(tmp_path, "s.py")
    assert done.stdout == "[2, 4, 2] 8\nwritten\n", done.stderr
