"""Whether what classes offer is read or called, in Parsl's releases and here: ``python -m ci.coverage.kinds``.

A property that became a method, or the other way round, breaks scripts without an error at first:
``executor.outstanding > 3``. The releases that are asked are kept in ``kinds.json``; ``--survey PYTHON ...`` asks the
Parsls of other environments and writes that file again.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEPT = HERE / "kinds.json"
READ, CALLED, BOTH = "read", "called", "both"
#: What need not be served, and why.
ACCEPTED = {
    "parsl.executors.status_handling.BlockProviderExecutor.outstanding": "abstract: its subclasses define it",
    "parsl.executors.workqueue.executor.WorkQueueExecutor.run_dir": "a setter that the kernel called, until 2023",
}

#: Attribute to kind, by class.
Kinds = dict[str, dict[str, str]]


def kind_of(value: Any) -> str:
    """Whether an attribute, as a class has it, is read or called; ``BOTH`` for a number that can be called."""
    if type(value).__name__ == "ReadOrCalled":
        return BOTH
    return CALLED if isinstance(value, (classmethod, staticmethod)) or callable(value) else READ


def kinds(cls: type, package: str) -> dict[str, str]:
    """Kind of each public attribute that a class, or a base of the same package, defines."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] == package:
            found.update({name: kind_of(value) for name, value in vars(base).items() if not name.startswith("_")})
    return found


def survey(package: str) -> dict[str, Any]:
    """Of the Parsl of this Python."""
    root = Path(str(importlib.import_module(package).__file__)).parent
    found: Kinds = {}
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        if {"tests", "configs", "__main__"} & set(parts):
            continue
        name = ".".join((package, *(parts[:-1] if parts[-1] == "__init__" else parts)))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = importlib.import_module(name)
        except (Exception, SystemExit):  # it needs a package that is not there
            continue
        for cls in vars(module).values():
            if inspect.isclass(cls) and cls.__module__ == name and not cls.__name__.startswith("_"):
                found[f"{name}.{cls.__qualname__}"] = kinds(cls, package)
    return {"version": importlib.import_module(f"{package}.version").VERSION, "classes": found}


def summed(surveys: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was read, and what called, in any of the releases."""
    classes: dict[str, dict[str, list[str]]] = {}
    for each in surveys:
        for name, attributes in each["classes"].items():
            for attribute, kind in attributes.items():
                known = classes.setdefault(name, {}).setdefault(attribute, [])
                if kind not in known:
                    known.append(kind)
    ordered = {name: dict(sorted(classes[name].items())) for name in sorted(classes)}
    return {"versions": [each["version"] for each in surveys], "classes": ordered}


def differences(kept: Mapping[str, Any]) -> Iterator[str]:
    """What a script of one of the releases uses in a way in which it cannot be used here."""
    from ci.coverage.compare import MISSING, find, statements

    for name, attributes in kept["classes"].items():
        module, _, shown = name.rpartition(".")
        cls = MISSING if statements().leaves_out(name) or statements().leaves_out(module) else find(module, shown)
        if not isinstance(cls, type):
            continue
        for attribute, wanted in attributes.items():
            value = inspect.getattr_static(cls, attribute, MISSING)
            if value is MISSING or f"{name}.{attribute}" in ACCEPTED or statements().leaves_out(f"{name}.{attribute}"):
                continue
            ours = kind_of(value)
            if ours != BOTH and wanted != [ours]:
                yield f"{name}.{attribute}: {' and '.join(wanted)} in Parsl, {ours} here"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, and do it."""
    parser = argparse.ArgumentParser(prog="python -m ci.coverage.kinds", description=__doc__)
    parser.add_argument("--survey", metavar="PYTHON", nargs="+", help="ask these Parsls, the oldest first")
    options = parser.parse_args(arguments)
    if options.survey:
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        surveys = []
        for python in options.survey:
            command = [python, str(Path(__file__).resolve()), "-"]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, cwd=HERE, check=True)
            surveys.append(json.loads(done.stdout))
        found = summed(surveys)
        lines = [f'{{"versions": {json.dumps(found["versions"])}, "classes": {{']
        lines += [f" {json.dumps(name)}: {json.dumps(each)}," for name, each in found["classes"].items() if each]
        KEPT.write_text("\n".join([*lines[:-1], lines[-1].rstrip(","), "}}\n"]))
    found_here = list(differences(json.loads(KEPT.read_text())))
    print("\n".join(found_here))
    return 1 if found_here else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["-"]:
        del sys.path[0]  # what lies beside this file is nothing of theirs
        json.dump(survey("parsl"), sys.stdout)
    else:
        sys.exit(main())
