"""The page ``docs/performance.md``: what was measured, on what, with which outcome, and how to repeat it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import HEADS, SYSTEMS, cells, figure
from benchmarks.systems import WORKERS

BEGIN = "<!-- notes -->"
END = "<!-- end of notes -->"

_INTRODUCTION = """\
The same scripts run on three systems: this package, Parsl with its own executors, and bare Dask. The systems take
turns in one run, and every measurement is a fresh process.
""".splitlines()

_NOTES = f"""\
- Processes: `HighThroughputExecutor` with a `LocalProvider` and {WORKERS} workers (ours and Parsl's, encrypted as by
  default), Dask's `SubprocessCluster` with {WORKERS} single-threaded workers.
- Threads: `ThreadPoolExecutor(max_threads={WORKERS})` (ours and Parsl's), Dask's in-process `Client(processes=False)`
  with {WORKERS} threads.
- Slurm: `HighThroughputExecutor` with a `SlurmProvider` (ours and Parsl's), {WORKERS} blocks of one worker each; Dask's
  `SLURMCluster` with as many jobs. Needs a Slurm that runs: `ci/slurm/up` starts one.
- Dask is used as its users do: `client.submit(..., pure=False)` for each call, `client.gather` for many values.
- The workers are up and have run calls before the clock starts, except for the first result and the import.
- Parsl's first result on processes contains the first pass of its scaling strategy, by default after five seconds.
- Busy calls use CPU time, and their ideal is all of that time divided by {WORKERS} cores: where there are no more
  cores, client and scheduler need their share of the same ones.
- Cached calls have `cache=True`, and results are recorded in mode `task_exit`, in ours and in Parsl. Cold is a first
  run; warm is the next one in the same directory, where every call is found. A checkpoint that is opened holds small
  integers; ours is opened in its own format, and also as the `tasks.pkl` that Parsl has. Its memory is what the
  process needs at most meanwhile, above what it has before.
- The client's memory is the growth of its resident set, for each call: of calls that are finished and whose futures
  are held; of calls that wait for one future that is not finished; of calls that are ready while every worker is
  taken. The peaks of very many calls are those of whole processes.
- Blocks that only exist: a provider hands out ids, and says that all of its jobs wait. The processor time is that of
  the script alone for ours, beside the script and the interchange of Parsl's; and that of all processes, ours with
  Dask's scheduler.
- Many workers: single-threaded ones in one process, a scheduler in another one. A call costs what client and scheduler
  need together.
- Samples of resources: CPU time of the script and all processes below it while each worker runs a call that waits for
  four processes, with monitoring less without, a worker.
""".splitlines()


def kept_notes(page: Path) -> str:
    """Give what stands between the two markers of an earlier page; it is kept, as people wrote it.

    Raises
    ------
    ValueError
        When there is one marker without the other, so that it is not clear what to keep.
    """
    if not page.exists():
        return ""
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text and END not in text:
        return ""
    before, _, rest = text.partition(BEGIN)
    notes, end, after = rest.partition(END)
    if not end or END in before or BEGIN in notes or BEGIN in after or END in after:
        raise ValueError(
            f"{page}: what was written by hand stands between one line {BEGIN} and, after it, one line {END}; "
            "put the markers right, or move the page away"
        )
    return notes.strip("\n")


def markdown(run: Mapping[str, Any], notes: str = "", plot: str | None = None, outputs: tuple[str, ...] = ()) -> str:
    """Give the page.

    Parameters
    ----------
    run
        What ``--json`` writes.
    notes
        What goes between the markers.
    plot
        The picture's address, as seen from the page.
    outputs
        The options that say where page and picture go, for the command that repeats it.
    """
    lines = run["lines"]
    parts = [
        "# Performance",
        "",
        *_INTRODUCTION,
        f"The figures are medians of {run['repeat']} turn{'s' if run['repeat'] != 1 else ''}. A ratio above 1 means "
        "that parsl_on_dask is better.",
        *(["", "## In short", "", *_in_short(lines)] if lines else []),
        "",
        "## The figures",
        "",
        *_table([HEADS, ["---", "---", "--:", "--:", "--:", "--:", "--:", "---", "---"], *map(cells, lines)]),
        "",
        "In a target, the name of a system stands for the least ratio to it.",
    ]
    if plot:
        parts += [
            "",
            "## Rate and length of calls",
            "",
            f"![Calls a second, and percent of the ideal, against the length of a call]({plot})",
            "",
            f"Busy calls from one loop on {WORKERS} worker processes. Above, calls a second; both axes are "
            "logarithmic, and calls that do nothing stand apart at the left. Below, how much of the time of the cores "
            "went into the calls.",
        ]
    parts += ["", BEGIN, *([notes] if notes else []), END]
    parts += ["", "## The run", "", *_machine(run), "", "To repeat it:", "", "```sh", *_commands(run, outputs), "```"]
    parts += [
        "",
        "## What the rows mean",
        "",
        *_table([("workload", "sizes", "range of the turns"), ["---"] * 3, *map(_meaning, lines)]),
        "",
        *_NOTES,
        f"- `parsl.log` is {'on' if run['log'] else 'off (`initialize_logging=False`)'} in ours and in Parsl.",
    ]
    problems = [(line, system, texts) for line in lines for system, texts in line["problems"].items()]
    if problems:
        parts += ["", "## Not measured", ""]
        parts += [f"- {line['title']}, {SYSTEMS[system]}: {texts[0]}" for line, system, texts in problems]
    return "\n".join(parts) + "\n"


def write(run: Mapping[str, Any], page: Path, plot: Path | None) -> None:
    """Write the page, and keep the notes of the one that is there.

    Raises
    ------
    ValueError
        When it is not clear what to keep of it.
    """
    address = None
    outputs = ["--markdown", page.as_posix()]
    if plot is not None:
        address = Path(os.path.relpath(plot, page.parent)).as_posix()
        outputs += ["--plot", plot.as_posix()]
    text = markdown(run, kept_notes(page), address, tuple(outputs))
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")


def _in_short(lines: list[dict[str, Any]]) -> list[str]:
    aimed = [line for line in lines if line["target"]]
    short = [line for line in aimed if line.get("short")]
    unknown = [line for line in aimed if line["verdict"].startswith("open")]
    reached = len(aimed) - len(short) - len(unknown)
    parts = [f"{reached} of {len(aimed)} rows reach all of their targets."]
    if short:
        parts += ["", "These fall short:", ""]
        parts += [f"- {line['title']}: {'; '.join(line['short'])}." for line in short]
    if unknown:
        parts += ["", "These cannot be judged, as something was not measured:", ""]
        parts += [f"- {line['title']}: {line['verdict']}." for line in unknown]
    return parts


def _machine(run: Mapping[str, Any]) -> list[str]:
    where = run["machine"]
    memory = f", {where['memory_gb']:g} GB of memory" if where.get("memory_gb") else ""
    return [
        f"- Machine: {where['cpu']}, {where['cores']} cores{memory}, {where['system']}; load {where['load']} at the "
        f"start, {where['load_at_end']} at the end.",
        *[f"- {SYSTEMS[system]}: {_versions(found)}." for system, found in run["versions"].items()],
        f"- Date: {run['date']}.",
    ]


def _commands(run: Mapping[str, Any], outputs: tuple[str, ...]) -> list[str]:
    apart = {name: found.get(name) for name, found in run["versions"].items() if name not in ("ours", "dask")}
    made = [f"python -m benchmarks.setup_parsl {n}-env --requirement {n}=={v}" for n, v in apart.items()]
    if run.get("arguments") is None:  # an earlier --json
        return [*made, run["command"]]
    arguments = [*run["arguments"], *outputs]
    for name in reversed(apart):
        arguments = [f"--{name}-python", f"{name}-env/bin/python", *arguments]
    return [*made, shlex.join(["python", "-m", "benchmarks", *arguments])]


def _table(rows: list[Any]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in rows]


def _meaning(line: Mapping[str, Any]) -> tuple[str, str, str]:
    sizes = ", ".join(f"{name} {value}" for name, value in line["parameters"].items() if name != "log")
    spread = [
        f"{SYSTEMS[system]} {figure(min(values))} to {figure(max(values))}"
        for system, values in line["samples"].items()
        if len(values) > 1
    ]
    return line["title"], sizes or "-", "; ".join(spread) or "-"


def _versions(found: Mapping[str, Any]) -> str:
    known = {name: version for name, version in found.items() if version is not None and name != "python"}
    return ", ".join([f"Python {found['python']}", *(f"{name} {version}" for name, version in known.items())])
