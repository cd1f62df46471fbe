"""Changes one thing at a time in a room, and looks whether tests notice: ``python -m ci.mutation dataflow lanes``.

What is changed (a comparison, a condition, a constant, a statement that is left out) is drawn by a seed. It happens in
a copy of the package. First the module's own tests and the room's run in one process; if these pass, some of what users
see on threads and processes. What no test has noticed is printed as rows of a table: the place, what stood there, and
what stands there.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


def files(room: str, names: str) -> list[str]:
    """The files of tests with these names."""
    return [f"tests/{room}/test_{name}.py" for name in names.split()]


FAST = {
    "dataflow": ["tests/dataflow", "parsl_on_dask/dataflow", "tests/lanes/test_model.py"],
    "lanes": [
        *files("lanes", "dispatch links simple_steps units calls_ahead jobends reports remote_lane admission packing"),
        *files("lanes", "stages pool queues faults preference failures traceback_frames simple mpi_lane callbacks"),
        *files("lanes", "dispatch_limits large_results resource_lane worker_deaths forbidden_waits model"),
        *("tests/remote/test_runner.py", "parsl_on_dask/lanes"),
    ],
}
SEEN = [
    *files("features", "dependencies futures callbacks joins retries memo failures ahead options flow_control"),
    *files("features", "interleavings records retry_handlers several_executors large_values values_changed_in_place"),
    *files("features", "odd_exceptions arguments_taken fan_in"),
    *files("lanes", "differential promises worker_deaths"),
    *files("lifetime", "load clear interrupted_ends"),
]
MORE = {
    "dataflow": [
        *files("features", "staging bash resolvers replay limits"),
        *files("checkpoint", "runs policies large"),
        *("tests/app", "tests/monitoring/test_rows.py"),
    ],
    "lanes": [
        *files("lanes", "dask_noise dask_futures threads_and_dask large_arguments"),
        *files("features", "worker_loss lost_values walltime bare_executors dask_things dask_functions serialisation"),
        *files("features", "tracebacks changed_globals"),
        *files("checkpoint", "large"),
    ],
}
OTHER = {
    **{ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="},
    **{ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in"},
    **{ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*"},
}
SILENT = ("logger", "warnings", "warn")
"""Statements that begin like this are left alone: their texts are for people."""


class Mutant(NamedTuple):
    """A changed piece of a file."""

    file: Path
    line: int
    begin: int
    end: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} | {shorter(self.old)} | {shorter(self.new)}"


def shorter(text: str) -> str:
    text = " ".join(text.split())
    return "`" + (text if len(text) < 70 else text[:67] + "...") + "`"


def mutants(file: Path) -> Iterator[Mutant]:
    """Every change that can be made to the functions of a file."""
    text = (ROOT / file).read_bytes()
    begins = [0]
    for line in text.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))

    def made(node: ast.expr | ast.stmt, new: str) -> Mutant:
        begin = begins[node.lineno - 1] + node.col_offset
        end = begins[node.end_lineno - 1] + node.end_col_offset  # type: ignore[operator]
        return Mutant(file, node.lineno, begin, end, text[begin:end].decode(), new)

    def between(left: ast.expr, right: ast.expr, new: str) -> Mutant:  # a bracket may be there, too
        begin = begins[left.end_lineno - 1] + left.end_col_offset  # type: ignore[operator]
        end = begins[right.lineno - 1] + right.col_offset
        old = text[begin:end].decode()
        return Mutant(file, left.lineno, begin, end, old, old.replace(old.strip(" ()\n"), new))

    def inside(node: ast.AST) -> Iterator[Mutant]:
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list", "args") and not isinstance(node, ast.Call):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from of(child)

    def of(node: ast.AST) -> Iterator[Mutant]:
        if isinstance(node, ast.Expr):
            if isinstance(node.value, ast.Constant) or ast.unparse(node).startswith(SILENT):
                return
            yield made(node, "pass")
        elif isinstance(node, (ast.Raise, ast.Assert)):
            return
        elif isinstance(node, ast.If):
            yield made(node.test, f"not ({ast.unparse(node.test)})")
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            yield between(node.left, node.comparators[0], OTHER[type(node.ops[0])])
        elif isinstance(node, ast.BinOp) and type(node.op) in OTHER:
            yield between(node.left, node.right, OTHER[type(node.op)])
        elif isinstance(node, ast.BoolOp):
            yield between(node.values[0], node.values[1], "or" if isinstance(node.op, ast.And) else "and")
        elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
            yield made(node, repr(not node.value if isinstance(node.value, bool) else node.value + 1))
        elif isinstance(node, ast.Return) and node.value and ast.unparse(node) != "return None":
            yield made(node.value, "None")
        elif isinstance(node, (ast.Break, ast.Continue)):
            yield made(node, "pass")
        if not isinstance(node, ast.JoinedStr):
            yield from inside(node)

    for function in ast.walk(ast.parse(text)):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and not function.name.endswith("repr__"):
            yield from (one for statement in function.body for one in of(statement))


def noticed(copy: Path, tests: list[str], *words: str) -> bool:
    """Whether a test fails, or none ends."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--timeout=60", "-p", "no:cacheprovider", *tests, *words]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    with tempfile.TemporaryDirectory() as temporary:
        process = subprocess.Popen(
            [*command, f"--basetemp={temporary}/pytest"],
            cwd=copy,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(600) != 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # for clusters to be ended that are in sessions of their own
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            return True
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m ci.mutation", description=__doc__)
    parser.add_argument("rooms", nargs="+", choices=sorted(FAST))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--only-fast", action="store_true", help="leave out the tests of what users see")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    draw = random.Random(options.seed)
    chosen = {}
    for room in options.rooms:
        files = sorted((ROOT / "parsl_on_dask" / room).glob("*.py"))
        chosen[room] = list(dict.fromkeys(m for f in files for m in mutants(f.relative_to(ROOT))))
        draw.shuffle(chosen[room])
        print(f"{room}: {len(chosen[room])} changes can be made", flush=True)
    counts = {room: [0, 0, 0] for room in options.rooms}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        unwanted = shutil.ignore_patterns(".git", "__pycache__", ".*_cache", ".venv")
        shutil.copytree(ROOT, copy, ignore=unwanted)
        for room in options.rooms:
            if noticed(copy, FAST[room]):
                parser.error(f"tests of {room} fail without a change")
        with suppress(KeyboardInterrupt):
            while time.monotonic() < end and any(chosen.values()):
                for room in options.rooms:
                    mutant = chosen[room].pop()
                    original = (copy / mutant.file).read_bytes()
                    (copy / mutant.file).write_bytes(
                        original[: mutant.begin] + mutant.new.encode() + original[mutant.end :]
                    )
                    counts[room][2] += 1
                    mirror = ROOT / "tests" / room / f"test_{mutant.file.stem}.py"
                    if noticed(copy, [*([str(mirror.relative_to(ROOT))] if mirror.exists() else []), *FAST[room]]):
                        counts[room][0] += 1
                    elif options.only_fast or not noticed(copy, [*SEEN, *MORE[room]], "--core", "-k", "not existing"):
                        print(f"| {mutant} |", flush=True)
                    else:
                        counts[room][1] += 1
                    (copy / mutant.file).write_bytes(original)
    for room, (fast, seen, total) in counts.items():
        print(f"{room}: {fast} of {total} noticed by the room's own tests, {seen} by those of what users see")


if __name__ == "__main__":
    main()
