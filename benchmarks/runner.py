"""Run measurements, each as a fresh process with a directory of its own, the systems taking turns."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import site
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.catalogue import Value, Workload
from benchmarks.processes import run_to_the_end
from benchmarks.script import PROGRESS

HERE = Path(__file__).resolve().parent
PACKAGE = "parsl_on_dask"

_PROBE = """
import importlib.metadata as m, json, platform
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return None
names = ["parsl-on-dask", "parsl", "dask", "distributed", "numpy", "cloudpickle", "bokeh", "ray", "executorlib"]
found = {n: version(n) for n in names}
if ours and found["parsl-on-dask"] is None:
    # A checkout that is not installed.
    from parsl_on_dask.version import PACKAGE_VERSION
    found["parsl-on-dask"] = PACKAGE_VERSION
print(json.dumps({"python": platform.python_version(), **found}))
"""


class MeasurementError(Exception):
    """A measurement gave no figures; the text says why."""


@dataclass(frozen=True)
class Key:
    """What is measured: a workload on a kind of workers."""

    workload: str
    kind: str


@dataclass
class Samples:
    """The figures of all repeats, and what went wrong."""

    values: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)
    parameters: dict[str, Value] = field(default_factory=dict)

    def median(self, system: str, figure: str) -> float | None:
        """Give the median of one figure of one system, None when it was never measured."""
        found = [values[figure] for values in self.values.get(system, ()) if figure in values]
        return statistics.median(found) if found else None


class Runner:
    """Knows the environments and runs single measurements in them.

    Parameters
    ----------
    others
        The Pythons of the environments that Parsl and others are in; who has none is left out.
    limit
        Seconds after which one measurement is given up.
    say
        Told what a measurement says of its progress.
    """

    def __init__(self, others: Mapping[str, Path], limit: float, say: Callable[[str], None] | None = None) -> None:
        # absolute() and not resolve(): a virtual environment's Python is a link to the one it was made from.
        self.pythons = {"ours": Path(sys.executable).absolute(), "dask": Path(sys.executable).absolute()}
        self.pythons |= {system: python.absolute() for system, python in others.items()}
        self.limit = limit
        self.say = say
        self._scratch = Path(tempfile.mkdtemp(prefix="parsl-bench-"))
        self._count = 0
        # The measured processes and their workers find this package here, and nothing else of the directory it is in.
        try:
            (self._scratch / "benchmarks").symlink_to(HERE, target_is_directory=True)
        except OSError:
            shutil.copytree(HERE, self._scratch / "benchmarks")

    def close(self) -> None:
        """Remove all directories of the measurements."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def environment(self, system: str, temporary: Path) -> dict[str, str]:
        """Make the environment variables of one measurement: this process's, with paths added."""
        env = dict(os.environ)
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode, and so has a checkout then
        # Parsl finds its own programs by PATH.
        env["PATH"] = os.pathsep.join([str(self.pythons[system].parent), env.get("PATH", os.defpath)])
        paths = [str(self._scratch)]
        if system == "ours":
            paths += _where_ours_is()
        env["PYTHONPATH"] = os.pathsep.join([*paths, *filter(None, [env.get("PYTHONPATH")])])
        env["TMPDIR"] = str(temporary)
        return env

    def run(self, system: str, module: str, kind: str, parameters: Mapping[str, Value]) -> dict[str, Any]:
        """Run one measurement.

        Raises
        ------
        MeasurementError
            When the process printed no figures; the end of its error output is in the text.
        """
        program = [str(self.pythons[system]), "-m", f"benchmarks.workloads.{module}"]
        return self._run(system, [*program, system, kind, json.dumps(dict(parameters))])

    def probe(self, system: str) -> dict[str, Any]:
        """Ask for the versions in the environment of `system`."""
        return self._run(system, [str(self.pythons[system]), "-c", f"ours = {system == 'ours'}\n{_PROBE}"])

    def _run(self, system: str, command: list[str]) -> dict[str, Any]:
        self._count += 1
        place = self._scratch / f"{self._count:04d}"
        temporary = place / "tmp"
        temporary.mkdir(parents=True)
        output, errors = place / "stdout", place / "stderr"
        try:
            with following(errors, self.say):
                ended = run_to_the_end(
                    command,
                    env=self.environment(system, temporary),
                    cwd=place,
                    output=output,
                    errors=errors,
                    limit=self.limit,
                )
            for line in reversed(output.read_text(errors="replace").splitlines()):
                if line.startswith("{"):
                    found: dict[str, Any] = json.loads(line)
                    return {**found, "code": ended.code, "leftovers": ended.leftovers, "wall": ended.seconds}
            end = f"exit code {ended.code}" if ended.code is not None else f"no end within {self.limit:g} s"
            raise MeasurementError(f"{end}: {_tail(errors)}")
        finally:
            shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def following(errors: Path, say: Callable[[str], None] | None) -> Iterator[None]:
    """Pass on the lines of progress in a file that somebody else writes, as they come."""
    if say is None:
        yield
        return
    ended = threading.Event()

    def follow() -> None:
        place, last = 0, False
        while not last:
            last = ended.wait(1.0)
            if not errors.exists():
                continue
            with errors.open("rb") as file:
                file.seek(place)
                part = file.read()
            whole = len(part) if last else part.rfind(b"\n") + 1
            place += whole
            for line in part[:whole].decode(errors="replace").splitlines():
                if line.startswith(PROGRESS):
                    say(f"  {line.removeprefix(PROGRESS)}")

    thread = threading.Thread(target=follow, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _where_ours_is() -> list[str]:
    """Where this process finds the package, when a fresh process would not find it by itself (a checkout)."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return []
    place = str(Path(spec.origin).resolve().parent.parent)
    return [] if place in (*site.getsitepackages(), site.getusersitepackages()) else [place]


def _tail(errors: Path, lines: int = 3) -> str:
    text = [line for line in errors.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(text[-lines:]) or "nothing on the error output"


def run_all(
    runner: Runner,
    workloads: Iterable[tuple[Workload, str, dict[str, Value]]],
    systems: Iterable[str],
    repeat: int,
    say: Callable[[str], None],
) -> dict[Key, Samples]:
    """Run every workload `repeat` times on all systems, taking turns: A B C A B C.

    A system that fails at a workload is left out of its later turns.
    """
    wanted = [system for system in systems if system in runner.pythons]
    collected: dict[Key, Samples] = {}
    for workload, kind, parameters in workloads:
        samples = collected.setdefault(Key(workload.name, kind), Samples(parameters=parameters))
        for turn in range(1, repeat + 1):
            for system in wanted:
                if system not in workload.systems or system in samples.problems:
                    continue
                head = f"{workload.name} ({kind}) {turn}/{repeat} {system}"
                try:
                    line = runner.run(system, workload.module, kind, parameters)
                except MeasurementError as error:
                    samples.problems.setdefault(system, []).append(str(error))
                    say(f"{head}: {error}")
                    continue
                samples.values.setdefault(system, []).append(line["values"])
                figures = ", ".join(f"{name} {value:.4g}" for name, value in line["values"].items())
                remarks = f"; left {line['leftovers']} processes behind, now ended" if line["leftovers"] else ""
                remarks += f"; exit code {line['code']}" if line["code"] != 0 else ""
                say(f"{head}: {figures}{remarks}")
    return collected
