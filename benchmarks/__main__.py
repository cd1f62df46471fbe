"""``python -m benchmarks``: measure, compare, print."""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

from benchmarks import page, plot, report
from benchmarks.catalogue import WORKLOADS, Value, Workload
from benchmarks.rows import ROWS, TIERS
from benchmarks.runner import MeasurementError, Runner, run_all
from benchmarks.systems import KINDS, OTHERS


def parser() -> argparse.ArgumentParser:
    """The command line."""
    names = ", ".join(w.name if w.by_default else f"{w.name} (only when named)" for w in WORKLOADS)
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare parsl_on_dask with Parsl and bare Dask in one run.",
        epilog=f"Workloads: {names}.",
    )
    made.add_argument("--parsl-python", type=Path, metavar="PATH", help="the Python of an environment that has Parsl")
    for system in OTHERS:
        made.add_argument(
            f"--{system}-python",
            type=Path,
            metavar="PATH",
            help=f"the same for {report.SYSTEMS[system]}, which is drawn by --plot and has no column in the table",
        )
    made.add_argument(
        "--only",
        action="extend",
        nargs="+",
        type=names_in,
        default=[],
        metavar="NAME[,NAME]",
        help="workloads (chain) or rows (chain-threads); may be given more than once",
    )
    made.add_argument("--systems", default="ours,parsl,dask", help="which systems take part (default: %(default)s)")
    made.add_argument("--repeat", type=int, metavar="K", help="turns of every system (default: 5; 1 with --quick)")
    made.add_argument("--quick", action="store_true", help="small sizes and one turn: does it all work?")
    made.add_argument(
        "--set", action="append", default=[], metavar="WORKLOAD.SIZE=VALUE", help="change a size, as bulk.n=50000"
    )
    made.add_argument(
        "--log", action="store_true", help="leave parsl.log on, in ours and in Parsl (default: off in both)"
    )
    made.add_argument("--tier", choices=TIERS, default=TIERS[-1], help="which targets count (default: %(default)s)")
    made.add_argument("--limit", type=float, default=300.0, help="seconds for one measurement (default: %(default)g)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    made.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help=f"write a page like docs/performance.md; what stands between {page.BEGIN} and {page.END} is kept",
    )
    made.add_argument(
        "--plot",
        type=Path,
        metavar="FILE.svg",
        help=f"draw rate against length of calls (needs matplotlib); without --only, {', '.join(plot.WORKLOADS)} are "
        "all measured for it",
    )
    made.add_argument(
        "--from", dest="earlier", type=Path, metavar="FILE", help="show an earlier --json, measure nothing"
    )
    return made


def names_in(text: str) -> list[str]:
    """Split names at commas."""
    return [name for name in map(str.strip, text.split(",")) if name]


def choose(only: list[str], plotted: bool = False) -> list[tuple[Workload, str]]:
    """Choose workloads and kinds by the names of workloads or rows, or those of a run without names.

    Raises
    ------
    ValueError
        When a name is not known.
    """
    if not only:
        wanted = [w for w in WORKLOADS if w.by_default or (plotted and w.name in plot.WORKLOADS)]
        return [(workload, kind) for workload in wanted for kind in workload.kinds]
    chosen: set[tuple[str, str]] = set()
    for name in only:
        found = {(row.workload, row.kind) for row in ROWS if name in (row.name, row.workload)}
        found |= {(w.name, kind) for w in WORKLOADS for kind in w.kinds if name in (w.name, f"{w.name}-{kind}")}
        if not found:
            raise ValueError(f"--only {name}: no such workload; there are {', '.join(w.name for w in WORKLOADS)}")
        chosen |= found
    return [(w, kind) for w in WORKLOADS for kind in KINDS if (w.name, kind) in chosen]


def sizes(workload: Workload, quick: bool, changes: list[str], payload: str) -> dict[str, Value]:
    """Give the parameters of one workload after ``--quick`` and ``--set``."""
    made: dict[str, Value] = {**workload.sizes, **(workload.quick if quick else {})}
    for change in changes:
        name, _, value = change.partition("=")
        owner, _, size = name.rpartition(".")
        if owner == workload.name:
            made[size] = value if isinstance(made[size], str) else number(value)
    if made.get("payload") == "auto":
        made["payload"] = payload
    return made


def number(text: str) -> int | float:
    """Read a whole number as one, anything else as a float."""
    return int(text) if text.isdecimal() else float(text)


def check_changes(changes: list[str]) -> None:
    """Refuse a ``--set`` that names nothing.

    Raises
    ------
    ValueError
        When the workload or the size does not exist, or the value is not a number where one is needed.
    """
    known = {f"{w.name}.{size}": value for w in WORKLOADS for size, value in w.sizes.items()}
    for change in changes:
        name, equals, value = change.partition("=")
        if name not in known or not equals:
            raise ValueError(f"--set {change}: write WORKLOAD.SIZE=VALUE with one of {', '.join(known)}")
        if not isinstance(known[name], str):
            try:
                number(value)
            except ValueError:
                raise ValueError(f"--set {change}: {value!r} is not a number") from None


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run what the command line asks for, and give it all as plain data."""
    check_changes(arguments.set)
    only = [name for names in arguments.only for name in names]
    chosen = choose(only, arguments.plot is not None)
    if arguments.plot and not any(w.name in plot.WORKLOADS and kind == "processes" for w, kind in chosen):
        raise ValueError(f"--plot draws {', '.join(plot.WORKLOADS)} on processes, and --only names none of them")
    systems = [name.strip() for name in arguments.systems.split(",") if name.strip()]
    pythons = {name: vars(arguments)[f"{name}_python"] for name in ("parsl", *OTHERS)}
    others = {name: python for name, python in pythons.items() if python is not None}
    systems += [name for name in OTHERS if name in others and name not in systems]
    unknown = sorted(set(systems) - set(report.SYSTEMS))
    if unknown:
        raise ValueError(f"--systems {','.join(unknown)}: there are {', '.join(report.SYSTEMS)}")
    repeat = arguments.repeat or (1 if arguments.quick else 5)
    runner = Runner(others, arguments.limit, _say)
    try:
        versions = {}
        for system in systems:
            if system not in runner.pythons:
                _say(
                    f"{report.SYSTEMS[system]} is left out: give --{system}-python, or make one with "
                    "python -m benchmarks.setup_parsl DIR"
                )
                continue
            versions[system] = runner.probe(system)
            for extra in ("code", "leftovers", "wall"):
                versions[system].pop(extra)
        payload = "numpy" if all(found["numpy"] for found in versions.values()) else "bytes"
        machine = report.machine()
        plan = [
            (w, kind, {**sizes(w, arguments.quick, arguments.set, payload), "log": arguments.log}) for w, kind in chosen
        ]
        if any(w.name == "import" for w, _ in chosen):
            # One import that is not counted: it compiles what is not compiled yet and fills the page cache.
            for system in versions:
                try:
                    runner.run(system, "imports", "processes", {})
                except MeasurementError as error:
                    _say(f"import, not counted, {system}: {error}")
        collected = run_all(runner, plan, systems, repeat, _say)
        machine["load_at_end"] = report.machine()["load"]
    finally:
        runner.close()
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "arguments": repeating(arguments),
        "machine": machine,
        "versions": versions,
        "repeat": repeat,
        "log": arguments.log,
        "lines": report.compare_all(collected, arguments.tier),
    }


def repeating(arguments: argparse.Namespace) -> list[str]:
    """Give the options that say what is measured; where Parsl is and where the outcome goes differs from run to run."""
    given: list[str] = []
    # The parser's own defaults, so that what was left out stays out.
    usual = parser().parse_args([])
    for name in ("systems", "repeat", "tier", "limit"):
        value = getattr(arguments, name)
        if value != getattr(usual, name):
            given += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    given += [f"--{name}" for name in ("quick", "log") if getattr(arguments, name)]
    if arguments.only:
        given += ["--only", ",".join(name for names in arguments.only for name in names)]
    for change in arguments.set:
        given += ["--set", change]
    return given


def write(run: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Write the files that were asked for, the measured data first."""
    if arguments.json:
        arguments.json.write_text(json.dumps(run, indent=1) + "\n")
    if arguments.plot:
        arguments.plot.parent.mkdir(parents=True, exist_ok=True)
        plot.draw(run, arguments.plot)
    if arguments.markdown:
        page.write(run, arguments.markdown, arguments.plot)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Read the command line, measure, print the table."""
    arguments = parser().parse_args()
    # As an exception, so that the measured processes are ended here too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        # What cannot be written is said before anything is measured.
        if arguments.plot:
            plot.check()
        if arguments.markdown:
            page.kept_notes(arguments.markdown)
        run = json.loads(arguments.earlier.read_text()) if arguments.earlier else measure(arguments)
        print(report.text_table(run["lines"]))
        write(run, arguments)
    except (ValueError, MeasurementError) as error:
        _say(f"benchmarks: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
