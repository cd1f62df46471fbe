"""``ps``: the runs that there are."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from parsl_on_dask.common import run_records
from parsl_on_dask.common.run_records import RunRecord, RunState
from parsl_on_dask.common.wording import count
from parsl_on_dask.front_door import jobs_of_runs
from parsl_on_dask.monitoring import counts
from parsl_on_dask.monitoring.counts import AppCounts
from parsl_on_dask.monitoring.published import Standing, standing
from parsl_on_dask.monitoring.screens import shortened

#: Seconds for which a run that has ended is shown without being asked for.
LATELY = 86400.0


def show(records: Sequence[RunRecord], every: bool, as_json: bool) -> int:
    """Print runs, the newest first. Returns an exit code."""
    records = jobs_of_runs.refreshed(records)
    rows = [(record, state) for record in reversed(records) if (state := state_among(record, records)) is not None]
    there = len(rows)
    if not every:
        rows = [(record, state) for record, state in rows if not state.over or _lately(record)]
    if as_json:
        print(json.dumps([_as_json(record, state) for record, state in rows], indent=1))
        return 0
    table = [("NAME", "STATE", "SINCE", "TASKS", "BLOCKS", "WHERE")]
    below: dict[int, list[str]] = {}
    for record, state in rows:
        far = standing(record.run_dir)
        table.append((record.name, state.text, _since(record), _progress(far), _blocks(far, state), _where(record)))
        if far is not None and not state.over and len(far.apps) > 1:
            below[len(table) - 1] = [f"    {row.app}: {_counts(row)}" for row in shortened(far.apps)]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for number, row in enumerate(table):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        print(*below.get(number, []), sep="\n", end="\n" * (number in below))
    if not there:
        print("there are no runs", file=sys.stderr)
    elif there > len(rows):
        print(f"{count(there - len(rows), 'run')} ended earlier: ps --all", file=sys.stderr)
    return 0


def state_among(record: RunRecord, records: Sequence[RunRecord]) -> RunState | None:
    """How a run is, with what has stayed of it; None for what stays of a run that has a record of its own."""
    state = run_records.state_of(record)
    others = [r for r in records if r is not record and r.run_dir and r.run_dir in record.run_dirs]
    if record.kind == "stays":
        return None if any(other.kind != "stays" for other in others) else state
    stays = any(other.kind == "stays" and not run_records.state_of(other).over for other in others)
    return RunState("stays", f"stays; its script {state.text}") if stays and state.over else state


def _lately(record: RunRecord) -> bool:
    age = run_records.age(record)
    return age is None or age < LATELY


def _since(record: RunRecord) -> str:
    return f"{datetime.fromtimestamp(record.began):%Y-%m-%d %H:%M}" if record.began else "–"


def _progress(far: Standing | None) -> str:
    return _counts(counts.total(far.apps)) if far is not None and far.apps else "–"


def _counts(row: AppCounts) -> str:
    failed = f", {row.failed:,} failed" if row.failed else ""
    return f"{row.done + row.cached:,}{failed} of {row.total:,}"


def _blocks(far: Standing | None, state: RunState) -> str:
    if far is None or state.over:
        return "–"
    return ", ".join(f"{number} {word}" for word, number in sorted(far.blocks.items(), reverse=True)) or "–"


def _where(record: RunRecord) -> str:
    place = record.host if record.host and record.host != run_records.host() else ""
    job = f"{record.system} job {record.job}" if record.job else ""
    return " on ".join(filter(None, [job, place])) or "here"


def _as_json(record: RunRecord, state: RunState) -> dict[str, Any]:
    far = standing(record.run_dir)
    names = ("name", "kind", "script", "cwd", "log", "run_dir", "host", "began", "ended", "returncode", "job", "life")
    progress = (
        None
        if far is None
        else {
            "apps": [{**row._asdict(), "total": row.total} for row in far.apps],
            "blocks": {} if state.over else far.blocks,
        }
    )
    return {
        **{name: getattr(record, name) for name in names},
        "state": state.word,
        "text": state.text,
        "pid": record.process[0] if record.process else None,
        "progress": progress,
    }
