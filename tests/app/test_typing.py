"""What a type checker sees."""

from __future__ import annotations

from pathlib import Path

import pytest

SNIPPET = """
from parsl_on_dask.app.app import bash_app, join_app, python_app
from parsl_on_dask.dataflow.futures import AppFuture

@python_app
def f(x: int) -> str:
    return str(x)

@python_app(cache=True, executors=["cpu"])
def g(x: int, y: float = 1.0) -> list[int]:
    return [x]

@bash_app
def b(x: int) -> str:
    return "true"

def plain(x: int) -> complex:
    return x

@join_app
def j(x: int) -> AppFuture[str]:
    return f(x)

@join_app(cache=True)
def js(x: int) -> list[AppFuture[str]]:
    return [f(x)]

class Model:
    @python_app
    def method(self, x: int) -> bytes:
        return b""

reveal_type(f(1))
reveal_type(g(1, y=2.0))
reveal_type(b(1))
reveal_type(j(1))
reveal_type(js(1))
reveal_type(python_app(plain, cache=True)(1))
reveal_type(f(1).result())
reveal_type(Model().method(3))
reveal_type(f(f(2)))


@bash_app
def bad(x: int) -> int:
    return 1
"""


@pytest.mark.extended
@pytest.mark.timeout(300)
def test_mypy_sees_what_an_app_returns(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    api = pytest.importorskip("mypy.api")
    source = tmp_path / "snippet.py"
    source.write_text(SNIPPET)
    # what a look at the whole package has left makes this one short
    root = request.config.rootpath
    settings, cache = root / "pyproject.toml", root / ".mypy_cache"
    options = ["--strict", "--config-file", str(settings), "--cache-dir", str(cache), str(source)]
    text, trouble, _ = api.run(options)
    assert not trouble
    shown = [line.partition('Revealed type is "')[2].rstrip('"') for line in text.splitlines() if "Revealed" in line]
    future = "parsl_on_dask.dataflow.futures.AppFuture"
    expected = [
        f"{future}[str]",
        f"{future}[list[int]]",
        f"{future}[int]",
        f"{future}[str]",
        f"{future}[list[str]]",
        f"{future}[complex]",
        "str",
        f"{future}[bytes]",
        f"{future}[str]",
    ]
    assert [name.replace("builtins.", "") for name in shown] == expected, text
    errors = [line for line in text.splitlines() if ": error:" in line]
    assert len(errors) == 1 and "bash_app" in errors[0], text
