"""Descriptions find what starts them by name, and every such name is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import parsl_on_dask
from parsl_on_dask.importing.lazily import by_name


def test_every_name_is_there() -> None:
    names = {
        str(name.value)
        for path in Path(parsl_on_dask.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "by_name"
        for name in ast.walk(node.args[0])
        if isinstance(name, ast.Constant) and re.fullmatch(r"[\w.]+:\w+", str(name.value))
    }
    assert "lanes:open_lane" in names
    for name in names:
        assert callable(by_name(name)), name
