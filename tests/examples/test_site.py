"""The reference of the site leaves no public name out."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
ELSEWHERE = {"DataFlowKernelLoader"}
"""Parsl's class below ``load``, ``clear`` and their relatives, which have pages of their own."""


@pytest.mark.parametrize("module", ["", ".executors", ".providers", ".launchers", ".checkpoint", ".monitoring"])
def test_every_public_name_has_a_page(module: str) -> None:
    listed = {
        name.rpartition(".")[2]
        for name in re.findall(r"^   ([\w.]+)$", (DOCS / "reference" / "api.md").read_text(), re.M)
    }
    names = importlib.import_module(f"parsl_on_dask{module}").__all__
    assert [name for name in names if name not in listed | ELSEWHERE] == []
