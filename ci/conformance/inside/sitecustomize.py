"""In every Python process of a conformance run: ``import parsl`` is the package that is tried.

``parsl.tests`` alone is the copy of Parsl's tests.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType

HERE = os.path.dirname(os.path.abspath(__file__))


class SuiteFinder(importlib.abc.MetaPathFinder):
    """Finds ``parsl.tests``, and for a run of the real Parsl that one rather than the suite's folder."""

    def __init__(self, tests: str, package: str) -> None:
        self.tests, self.package = tests, package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == "parsl.tests":
            file = os.path.join(self.tests, "__init__.py")
            return importlib.util.spec_from_file_location(fullname, file, submodule_search_locations=[self.tests])
        if fullname.startswith("parsl.tests."):
            return importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if fullname == "parsl" == self.package:
            root = os.path.dirname(os.path.dirname(self.tests))
            places = [place for place in sys.path if os.path.abspath(place or ".") != root]
            return importlib.machinery.PathFinder.find_spec(fullname, places, target)
        return None


def install() -> None:
    tests, package = os.environ.get("PARSL_CONFORMANCE_TESTS"), os.environ.get("PARSL_CONFORMANCE_PACKAGE")
    if not tests or not package or any(isinstance(finder, SuiteFinder) for finder in sys.meta_path):
        return
    if package != "parsl":
        importlib.import_module(package).install()
    sys.meta_path.insert(0, SuiteFinder(tests, package))


def run_the_hidden_one() -> None:
    places = [place for place in sys.path if os.path.abspath(place or ".") != HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", places)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


install()
run_the_hidden_one()
