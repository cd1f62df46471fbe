"""A forked interpreter is taken for a fresh one by the script that runs in it, and by those who look at it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import interpreters

FACTS = """
import os, pickle, random, signal, sys, threading

class Here:
    pass


def facts():
    main = sys.modules["__main__"]
    yield "arguments", sys.argv, sys.executable, os.getcwd()
    yield "path", sys.path
    yield "main", __name__, globals().get("__file__"), __spec__ and __spec__.name, main.__dict__ is globals()
    yield "loader", type(__loader__)
    yield "names", sorted(k for k in globals() if k.startswith("__"))
    yield "pickled", pickle.loads(pickle.dumps(Here)) is Here
    yield "environment", sorted(os.environ.items())
    yield "signals", [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM, signal.SIGPIPE)]
    yield "mask", signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.set_wakeup_fd(-1)
    yield "files", sorted(int(n) for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}"))
    yield "session", os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()
    yield "threads", [t.name for t in threading.enumerate()], threading.main_thread() is threading.current_thread()
    yield "bytecode", sys.dont_write_bytecode
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        yield name, stream.name, stream.mode, stream.encoding, stream.errors, stream.line_buffering, stream.fileno()
        yield name, stream is getattr(sys, f"__{name}__"), stream.write_through, stream.isatty()
    yield "said", sys.stdin.read()

for fact in facts():
    print(*map(str, fact), sep=" | ")
print("error", file=sys.stderr)
"""

Run = Callable[..., subprocess.CompletedProcess[Any]]


def alike(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """What the command gives; it is the same from a fresh interpreter."""
    command = [sys.executable, *words]
    options.update(capture_output=True, text=True, timeout=100)
    fresh = subprocess.run(command, **options)
    forked = interpreters.run(command, **options)
    assert forked.stdout.splitlines() == fresh.stdout.splitlines()
    assert (forked.stderr, forked.returncode) == (fresh.stderr, fresh.returncode)
    return fresh


@pytest.mark.parametrize("how", [["script.py"], ["-u", "script.py"], ["-m", "script"], ["-c", FACTS]], ids=range(4))
@pytest.mark.parametrize("session", [False, True])
def test_what_a_script_sees(how: list[str], session: bool, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(FACTS)
    environment = {**os.environ, "ONLY": "here", "PYTHONPATH": str(tmp_path / "more"), "PYTHONUNBUFFERED": ""}
    done = alike(*how, "a", "-b", cwd=tmp_path, env=environment, input="words", start_new_session=session)
    assert "said | words" in done.stdout and done.stderr == "error\n" and not done.returncode


@pytest.mark.parametrize(
    "text",
    [
        "import sys; sys.exit(7)",
        "import sys; sys.exit('a message')",
        "def f(): raise LookupError('no')\nf()",
        "raise KeyboardInterrupt",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os; os._exit(3)",
        "this is no Python",
        "import atexit, threading\natexit.register(print, 'last')\nthreading.Timer(0.1, print, ['thread']).start()",
    ],
)
def test_how_a_script_ends(text: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(text)
    alike("script.py", cwd=tmp_path)
    alike("-c", text)


def test_what_others_see_of_it() -> None:
    command = [sys.executable, "-c", "input()"]
    with interpreters.Popen(
        command, stdin=subprocess.PIPE, env={**os.environ, "TAG": "yes"}, start_new_session=True
    ) as process:
        seen = psutil.Process(process.pid)
        assert seen.ppid() == interpreters.pid(), "it was forked"
        while "TAG" not in seen.environ():  # it is not itself yet
            assert process.poll() is None
        assert seen.environ() == {**os.environ, "TAG": "yes"} and os.getsid(process.pid) == process.pid
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        os.killpg(process.pid, signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM == process.poll() == process.wait()


def test_random_numbers_differ() -> None:
    program = "import random, numpy; print(random.random(), numpy.random.random())"
    ran = [interpreters.run([sys.executable, "-c", program], capture_output=True, text=True) for _ in range(2)]
    assert len({number for one in ran for number in one.stdout.split()}) == 4


@pytest.mark.parametrize(
    "words, environment",
    [
        (["-W", "ignore", "-c"], {}),
        (["-c"], {"PYTHONHASHSEED": "3"}),
        (["-c"], {"DASK_CONFIG": "/nowhere"}),
        (["-c"], {"HOME": "/nowhere"}),
    ],
)
def test_what_only_a_fresh_one_has_is_given_to_one(words: list[str], environment: dict[str, str]) -> None:
    program = "import sys; print('dask' in sys.modules)"
    done = interpreters.run([sys.executable, *words, program], env={**os.environ, **environment}, capture_output=True)
    assert done.stdout == b"False\n"


def test_files_that_are_passed_on_stay_open() -> None:
    program = "import os, sys; [os.write(int(number), b'here') for number in sys.argv[1:]]"
    pipes = [os.pipe() for _ in range(3)]
    writing = [write for _, write in pipes]
    done = interpreters.run([sys.executable, "-c", program, *map(str, writing)], pass_fds=writing)
    assert done.returncode == 0
    for read, write in pipes:
        assert os.read(read, 4) == b"here"
        os.close(read)
        os.close(write)
