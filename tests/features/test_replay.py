"""A call that failed runs again alone, and fails the same way: same class, same text, same line."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import parsl_on_dask as parsl
from parsl_on_dask import Config, File, bash_app, python_app
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.front_door import replay
from tests.helpers import WAIT

CONFIG = {"initialize_logging": False, "retries": 0}


class OwnError(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code


class Model:
    def __init__(self, rate: float) -> None:
        self.rate = rate

    def run(self, steps: int) -> float:
        return self.rate / (steps - 3)


def deeper(x: Any) -> Any:
    return x["missing"]


def caused(x: int) -> None:
    try:
        deeper({})
    except KeyError as e:
        raise OwnError(x, "no such key") from e


def generated(n: int) -> int:
    return sum(10 // (3 - i) for i in range(n))


def recursive(n: int) -> int:
    return recursive(n + 1)


def checked(x: int) -> None:
    assert x > 5, f"{x} is too small"


def slow(walltime: float = 60) -> None:
    while True:
        pass


def defaulted(x: int, y: Any = (), *, z: str = "zero") -> None:
    raise RuntimeError(x, y, z)


def from_environment(name: str) -> str:
    raise LookupError(os.environ[name])


def from_directory(name: str) -> str:
    with open(name) as file:
        raise ValueError(file.read())


def closure(factor: int) -> Callable[[int], float]:
    def scaled(x: int) -> float:
        return x / (factor - 4)

    return scaled


def summed(array: Any, more: Any) -> None:
    raise ValueError(f"{array.sum()} {len(more)}")


def left(code: Any) -> None:
    sys.exit(code)


def with_note(x: int) -> None:
    error = ValueError(x)
    if hasattr(error, "add_note"):
        error.add_note("a note of the user's")
    raise error


PYTHON: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "a key": (deeper, ({},), {}),
    "a type": (deeper, (3,), {}),
    "a cause": (caused, (3,), {}),
    "a generator": (generated, (9,), {}),
    "recursion": (recursive, (0,), {}),
    "an assertion": (checked, (2,), {}),
    "a walltime": (slow, (), {"walltime": 0.1}),
    "keywords": (defaulted, (1,), {"y": [1, {"a": (2,)}], "z": "ü"}),
    "defaults": (defaulted, (1,), {}),
    "a variable": (from_environment, ("REPLAYED",), {}),
    "a relative path": (from_directory, ("here.txt",), {}),
    "a closure": (closure(4), (1,), {}),
    "a method": (Model(2.0).run, (3,), {}),
    "a partial": (partial(deeper, {"other": 1}), (), {}),
    "an array": (summed, (np.arange(50_000), [1, 2]), {}),
    "an exit": (left, (3,), {}),
    "an exit with words": (left, ("goodbye",), {}),
    "a note": (with_note, (5,), {}),
    "an attribute": (getattr, (1, "nothing"), {}),
    "a conversion": (int, ("seven",), {}),
    "json": (json.loads, ("{",), {}),
    "text": (bytes.decode, (b"\xff", "utf-8"), {}),
    "a file": (os.stat, ("/no/such/file",), {}),
    "an import": (__import__, ("no_such_module_anywhere",), {}),
    "a shape": (np.reshape, (np.arange(6), (4, 2)), {}),
}


@bash_app
def command(text: str, stderr: Any = None, outputs: Any = ()) -> str:
    return text


BASH: dict[str, dict[str, Any]] = {
    "a code": {"text": "exit 3"},
    "a missing program": {"text": "no_such_program_anywhere 2>/dev/null"},
    "what it wrote": {"text": "echo oh no >&2; exit 4"},
    "a missing output": {"text": "true", "outputs": [File("never.txt")]},
    "no shell text": {"text": 5},
}


def last_lines(text: str) -> list[str]:
    """The line of the user's that failed, and what it failed with, without notes of ours."""
    places = re.findall(r'File "[^"]+", line \d+, in \S+', text)
    text = re.sub("0x[0-9a-f]+", "", text)
    said = [line for line in text.splitlines() if line and not line.startswith((" ", "Traceback", "To run this call"))]
    return [*places[-1:], said[-1]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPLAYED", "as it was")
    monkeypatch.setattr(sys, "path", list(sys.path))
    tmp_path.joinpath("here.txt").write_text("what is here")
    return tmp_path


def future_of(name: str, folder: Path) -> Any:
    if name in BASH:
        streams = {"stderr": str(folder / "command.err")} if name == "what it wrote" else {}
        return command(**BASH[name], **streams)
    function, args, kwargs = PYTHON[name]
    if "walltime" in kwargs:
        return python_app(function)(*args, **kwargs)
    return parsl.dfk().submit(function, app_args=args, app_kwargs=kwargs)


def names(config_name: str) -> list[str]:
    # workers keep the directory and the environment that they started with
    own = {"a variable", "a relative path"} if config_name != "threads" else set()
    return [name for name in [*PYTHON, *BASH] if name not in own]


def test_thirty_programs() -> None:
    assert len(names("threads")) == 30


@pytest.mark.usefixtures("kernel")
def test_programs_fail_the_same_way(
    kernel: Any, config_name: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    futures = {name: future_of(name, here) for name in names(config_name)}
    errors = {name: future.exception(WAIT) for name, future in futures.items()}
    monkeypatch.setenv("REPLAYED", "another day")
    expected, found = {}, {}
    for name, future in futures.items():
        monkeypatch.chdir("/")
        expected[name] = last_lines("".join(traceback.format_exception(errors[name])))
        capsys.readouterr()
        assert replay.main([kernel.run_dir, str(future.tid)]) == 1, name
        found[name] = last_lines(capsys.readouterr().err)
    assert found == expected


@pytest.mark.usefixtures("kernel")
def test_what_is_told(kernel: Any, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    future = future_of("a conversion", here)
    error = future.exception(WAIT)
    written = f"python -m parsl_on_dask replay {os.path.relpath(kernel.run_dir)} {future.tid}"
    if sys.version_info >= (3, 11):
        assert any(note.endswith(written) for note in error.__notes__)
    assert replay.main([kernel.run_dir]) == 0
    assert f"{future.tid}: app int: ValueError: invalid literal" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        replay.main([kernel.run_dir, "99999"])
    assert "task 99999 is not kept" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        replay.main([str(here)])
    assert "no failed calls are kept" in capsys.readouterr().err


@pytest.mark.usefixtures("kernel")
def test_files_are_private_and_hold_no_secrets(
    kernel: Any, config_name: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MY_TOKEN", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "API_KEY"):
        monkeypatch.setenv(name, "hidden-from-all")
    monkeypatch.setenv("MONKEY", "seen-by-all")
    future = future_of("a conversion", here)
    future.exception(WAIT)
    file = Path(kernel.run_dir, "failed_calls", f"{future.tid}.call")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"hidden-from-all" not in file.read_bytes()
    assert (b"seen-by-all" in file.read_bytes()) == (config_name == "threads"), "workers keep what they started with"


@pytest.mark.usefixtures("kernel")
def test_a_call_that_succeeds_now(kernel: Any, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = here / "later.txt"
    future = python_app(lambda path: open(path).read())(str(missing))
    with pytest.raises(FileNotFoundError):
        future.result(WAIT)
    missing.write_text("it is there")
    assert replay.main([kernel.run_dir, str(future.tid)]) == 0
    assert "it succeeded this time: 'it is there'" in capsys.readouterr().out


def test_mistakes() -> None:
    for wrong in ((10,), 5, "10", (10, "all"), (-1, 5)):
        with pytest.raises(ConfigurationError, match="kept_failures"):
            Config(kept_failures=wrong)  # type: ignore[arg-type]
