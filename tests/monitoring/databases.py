"""Monitoring databases with Parsl's tables, written row by row: runs of any size and in any state."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE workflow (run_id TEXT NOT NULL, workflow_name TEXT, workflow_version TEXT, time_began DATETIME NOT NULL,
  time_completed DATETIME, host TEXT NOT NULL, user TEXT NOT NULL, rundir TEXT NOT NULL,
  tasks_failed_count INTEGER NOT NULL, tasks_completed_count INTEGER NOT NULL, PRIMARY KEY (run_id));
CREATE TABLE task (task_id INTEGER NOT NULL, run_id TEXT NOT NULL, task_depends TEXT, task_func_name TEXT NOT NULL,
  task_memoize TEXT NOT NULL, task_hashsum TEXT, task_inputs TEXT, task_outputs TEXT, task_stdin TEXT, task_stdout TEXT,
  task_stderr TEXT, task_time_invoked DATETIME, task_time_returned DATETIME, task_fail_count INTEGER NOT NULL,
  task_fail_cost FLOAT NOT NULL, PRIMARY KEY (task_id, run_id));
CREATE TABLE try (try_id INTEGER NOT NULL, task_id INTEGER NOT NULL, run_id TEXT NOT NULL, block_id TEXT, hostname TEXT,
  task_executor TEXT NOT NULL, task_try_time_launched DATETIME, task_try_time_running DATETIME,
  task_try_time_returned DATETIME, task_fail_history TEXT, task_joins TEXT, PRIMARY KEY (try_id, task_id, run_id));
CREATE TABLE status (task_id INTEGER NOT NULL, task_status_name TEXT NOT NULL, timestamp DATETIME NOT NULL,
  run_id TEXT NOT NULL, try_id INTEGER NOT NULL, PRIMARY KEY (task_id, run_id, task_status_name, timestamp));
CREATE TABLE resource (try_id INTEGER NOT NULL, task_id INTEGER NOT NULL, run_id TEXT NOT NULL, timestamp DATETIME
  NOT NULL, resource_monitoring_interval FLOAT, psutil_process_pid INTEGER, psutil_process_memory_percent FLOAT,
  psutil_process_children_count FLOAT, psutil_process_time_user FLOAT, psutil_process_time_system FLOAT,
  psutil_process_memory_virtual FLOAT, psutil_process_memory_resident FLOAT, psutil_process_disk_read FLOAT,
  psutil_process_disk_write FLOAT, psutil_process_status TEXT, psutil_cpu_num TEXT,
  psutil_process_num_ctx_switches_voluntary FLOAT, psutil_process_num_ctx_switches_involuntary FLOAT,
  PRIMARY KEY (try_id, task_id, run_id, timestamp));
CREATE TABLE node (id INTEGER NOT NULL, run_id TEXT NOT NULL, hostname TEXT NOT NULL, uid TEXT NOT NULL,
  block_id TEXT NOT NULL, cpu_count INTEGER NOT NULL, total_memory BIGINT NOT NULL, active BOOLEAN NOT NULL,
  worker_count INTEGER NOT NULL, python_v TEXT NOT NULL, timestamp DATETIME NOT NULL, last_heartbeat DATETIME NOT NULL,
  PRIMARY KEY (id));
CREATE TABLE block (run_id TEXT NOT NULL, executor_label TEXT NOT NULL, block_id TEXT NOT NULL, job_id TEXT,
  timestamp DATETIME NOT NULL, status TEXT NOT NULL, PRIMARY KEY (run_id, block_id, executor_label, timestamp));
"""

TRACEBACK = """Traceback (most recent call last):
  File "analysis.py", line 31, in align
    raise ValueError(f"sample {name} has no reads <b>at all</b>")
ValueError: sample s7 has no reads <b>at all</b>
"""


class Writer:
    """Writes one run into a database, which it makes when it is not there.

    Parameters
    ----------
    path : Path
    run_id : str
    name : str
        Of the workflow.
    began : datetime
    """

    def __init__(self, path: Path, run_id: str, name: str, began: datetime, number: int = 0) -> None:
        new = not path.exists()
        self.db = sqlite3.connect(path)
        if new:
            self.db.executescript(SCHEMA)
        self.run_id = run_id
        self.began = began
        self.rundir = path.parent / f"{number:03d}"
        self.rundir.mkdir(exist_ok=True)
        self.failed = self.done = 0
        self.put(
            "workflow", [run_id, name, str(began), began, None, "node01.cluster.example", "ada", str(self.rundir), 0, 0]
        )

    def at(self, seconds: float) -> datetime:
        return self.began + timedelta(seconds=seconds)

    def put(self, table: str, row: Sequence[Any]) -> None:
        values = [v.isoformat(" ") if isinstance(v, datetime) else v for v in row]
        self.db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)

    def status(self, task: int, name: str, when: float, try_id: int = 0) -> None:
        self.put("status", [task, name, self.at(when), self.run_id, try_id])

    def task(
        self,
        number: int,
        app: str,
        called: float,
        *,
        depends: Sequence[int] = (),
        state: str = "exec_done",
        tries: Sequence[tuple[float, float | None, str | None]] = (),
        executor: str = "htex",
        host: str = "node02.cluster.example",
        pid: int | None = None,
        block: str = "0",
        cached: bool = False,
        memory: float = 0.0,
        joins: str = "",
    ) -> None:
        """Write a task with its tries (began, ended or None, failure) and the states that it went through."""
        end = max((t[1] for t in tries if t[1] is not None), default=None)
        returned = end if state in ("exec_done", "memo_done", "failed", "dep_fail") else None
        if returned is None and state in ("memo_done", "dep_fail"):
            returned = called + 0.01
        fails = sum(1 for t in tries if t[2])
        row = [
            number,
            self.run_id,
            ",".join(map(str, depends)),
            app,
            "1" if cached else "0",
            None,
            "None",
            "None",
            None,
        ]
        times = [self.at(called), None if returned is None else self.at(returned)]
        self.put("task", [*row, None, None, *times, fails, float(fails)])
        self.status(number, "pending", called)
        for i, (began, ended, failure) in enumerate(tries):
            launched = began - 0.02
            here = [block, host, executor, self.at(launched), self.at(began), None if ended is None else self.at(ended)]
            self.put("try", [i, number, self.run_id, *here, failure or "", joins])
            self.status(number, "launched", launched, i)
            self.status(number, "running", began, i)
            if ended is not None:
                self.status(number, "running_ended", ended - 0.001, i)
                if i + 1 < len(tries):
                    self.status(number, "fail_retryable", ended, i)
                    self.status(number, "pending", ended + 0.0001, i + 1)
            if pid is not None:
                self.samples(number, i, pid, began, ended if ended is not None else began + 5, memory)
        if not tries and state == "dep_fail":
            self.put("try", [0, number, self.run_id, None, None, executor, None, None, None, "DependencyError()", ""])
        if state not in ("pending", "launched", "running"):
            self.status(number, state, returned if returned is not None else called + 0.001, max(0, len(tries) - 1))
        self.failed += state == "failed"
        self.done += state == "exec_done"

    def samples(self, task: int, try_id: int, pid: int, began: float, ended: float, memory: float) -> None:
        step = max(1.0, (ended - began) / 20)
        times = [began]
        while times[-1] + step < ended:
            times.append(times[-1] + step)
        times.append(ended)
        for i, when in enumerate(times):
            grown = memory * (0.4 + 0.6 * i / max(1, len(times) - 1))
            cpu = (when - began) * 0.9
            row = [try_id, task, self.run_id, self.at(when), 1.0, pid, 1.5, 0.0, cpu, cpu * 0.05, grown * 3, grown]
            self.put("resource", [*row, 1e6 * i, 2e5 * i, "running", "1", 40.0 + i, 3.0])

    def end(self, completed: float | None) -> None:
        """Complete the workflow, or leave it as it is."""
        self.db.execute(
            "UPDATE workflow SET time_completed = ?, tasks_failed_count = ?, tasks_completed_count = ? "
            "WHERE run_id = ?",
            [None if completed is None else self.at(completed).isoformat(" "), self.failed, self.done, self.run_id],
        )
        self.db.commit()
        self.db.close()


def mixed_run(path: Path, began: datetime, run_id: str = "7d1f8a52-0001", *, finished: bool = True) -> None:
    """A run with everything in it: a map, a reduce, failures, retries, cache hits, samples, blocks."""
    w = Writer(path, run_id, "variant_calling.py", began, 3)
    dice = random.Random(4)
    workers = [(4101, "node02"), (4102, "node02"), (4201, "node03"), (4202, "node03")]
    free = [0.5] * len(workers)

    def place() -> tuple[int, float]:
        slot = min(range(len(workers)), key=lambda i: free[i])
        return slot, free[slot]

    number = 0
    aligned: list[int] = []
    for sample in range(24):
        slot, start = place()
        pid, host = workers[slot]
        length = dice.uniform(3, 9)
        here = {"pid": pid, "host": host, "block": "0" if slot < 2 else "1", "memory": dice.uniform(2e8, 9e8)}
        if not finished and start > 18:
            w.task(
                number,
                "align_reads",
                0.1,
                state="running" if start < 24 else "pending",
                tries=[(start, None, None)] if start < 24 else [],
                **here,
            )
            free[slot] += length
        elif sample % 8 == 5:
            w.task(
                number,
                "align_reads",
                0.1,
                tries=[
                    (start, start + 1, "WorkerLost('Task failure due to loss of worker')"),
                    (start + 1.2, start + length, None),
                ],
                **here,
            )
            free[slot] = start + length + 0.1
        elif sample == 7:
            why = "ValueError('sample s7 has no reads <b>at all</b>')"
            w.task(
                number,
                "align_reads",
                0.1,
                state="failed",
                tries=[(start, start + 2, why), (start + 2.1, start + 4, why)],
                **here,
            )
            free[slot] = start + 4.1
        elif sample % 6 == 4:
            w.task(number, "align_reads", 0.1, state="memo_done", cached=True)
        else:
            w.task(number, "align_reads", 0.1, tries=[(start, start + length, None)], cached=True, **here)
            free[slot] = start + length + 0.1
        aligned.append(number)
        number += 1
    called = []
    for i, before in enumerate(aligned):
        if before == 7:
            w.task(number, "call_variants", 0.2, depends=[before], state="dep_fail")
        elif finished:
            slot, start = place()
            pid, host = workers[slot]
            length = dice.uniform(1, 4)
            w.task(
                number,
                "call_variants",
                0.2,
                depends=[before],
                tries=[(start, start + length, None)],
                pid=pid,
                host=host,
                block="0" if slot < 2 else "1",
                memory=dice.uniform(5e7, 2e8),
            )
            free[slot] = start + length + 0.05
        else:
            w.task(number, "call_variants", 0.2, depends=[before], state="pending")
        called.append(number)
        number += 1
        del i
    for first in (0, 12):
        part = called[first : first + 12]
        bad = any(c - 24 == 7 for c in part)
        end = max(free)
        if bad:
            w.task(number, "merge_calls_of_a_batch_of_samples", 0.3, depends=part, state="dep_fail")
        elif finished:
            w.task(
                number,
                "merge_calls_of_a_batch_of_samples",
                0.3,
                depends=part,
                tries=[(end, end + 2.5, None)],
                pid=4101,
                host="node02",
                memory=3e8,
            )
        else:
            w.task(number, "merge_calls_of_a_batch_of_samples", 0.3, depends=part, state="pending")
        number += 1
    w.task(number, "report", 0.4, depends=[number - 2, number - 1], state="dep_fail" if finished else "pending")
    for block, job in (("0", "88123"), ("1", "88124")):
        for i, status in enumerate(("PENDING", "RUNNING") + (("SCALED_IN",) if finished else ())):
            w.put("block", [w.run_id, "htex", block, job, w.at(0.1 + 0.2 * i if i < 2 else max(free) + 3), status])
    for i, host in enumerate(("node02", "node03")):
        w.put(
            "node", [None, w.run_id, host, f"uid{i}", str(i), 32, 128 * 2**30, True, 2, "3.11.7", w.at(0.5), w.at(20)]
        )
    log = w.rundir / "parsl.log"
    log.write_text(
        "1760000000.123456 2026-10-09 08:53:20 MainProcess-77 lane-1 parsl.dataflow.dflow:301 failed ERROR: "
        f"Task 7 failed after 1 retry attempts\n{TRACEBACK}"
        "1760000001.123456 2026-10-09 08:53:21 MainProcess-77 lane-1 parsl.dataflow.dflow:301 x INFO: Task 8 goes on\n"
    )
    w.end(max(free) + 4 if finished else None)


def large_run(path: Path, began: datetime, tasks: int = 10_000, run_id: str = "e5c0beef-0002") -> None:
    """A map of many short tasks, and a tree that reduces them; 16 workers."""
    w = Writer(path, run_id, "parameter_scan.py", began, 4)
    free = [0.0] * 16
    number = 0

    def run(app: str, depends: Sequence[int], length: float, state: str = "exec_done") -> int:
        nonlocal number
        slot = min(range(16), key=lambda i: free[i])
        start = free[slot]
        why = "RuntimeError('diverged')" if state == "failed" else None
        w.task(
            number,
            app,
            0.0,
            depends=depends,
            state=state,
            tries=[(start, start + length, why)],
            host=f"node{slot // 4:02d}",
            block=str(slot // 4),
        )
        free[slot] = start + length
        number += 1
        return number - 1

    level = [
        run("simulate", [], 0.2 + (i % 7) * 0.05, "failed" if i % 1500 == 77 else "exec_done")
        for i in range(tasks * 4 // 5)
    ]
    while len(level) > 1 and number < tasks:
        level = [run("reduce", level[i : i + 8], 0.1) for i in range(0, len(level), 8)]
    while number < tasks:
        run("plot", [level[0]], 0.3)
    w.end(max(free) + 1)


def chain_run(path: Path, began: datetime, tasks: int = 2000, run_id: str = "c4a1-0005") -> None:
    """A chain, on threads, without hosts or samples."""
    w = Writer(path, run_id, "chain.py", began, 5)
    for i in range(tasks):
        w.task(
            i,
            "step",
            0.0,
            depends=[i - 1] if i else [],
            tries=[(i * 0.01, i * 0.01 + 0.009, None)],
            executor="threads",
            host="",
            block="",
        )
    w.end(tasks * 0.01 + 1)
