"""What a run leaves in its monitoring database: a search for long chains of Collatz numbers, and what it cost.

    python examples/monitored.py                                   # in runinfo/monitoring.db
    python examples/monitored.py --database sqlite:///chains.db    # or wherever SQLAlchemy can write to
    python examples/monitored.py --executor threads

Each call looks at a range of numbers. A few calls fail at the first try, and are tried again. At the end the database
is asked, with SQL, what became of the calls: anybody can ask it, also while the run goes on and from another machine,
and so can Parsl's own parsl-visualize.
"""

from __future__ import annotations

import argparse
from typing import Any

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl_on_dask.monitoring import MonitoringHub


@python_app
def longest(begin: int, end: int) -> tuple[int, int]:
    """The longest chain that begins in a range, and the number that it begins with."""
    best = 0, begin
    for start in range(begin, end):
        n, length = start, 1
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            length += 1
        best = max(best, (length, start))
    return best


@python_app
def moody(marker: str) -> str:
    """Fails at the first try."""
    from pathlib import Path

    if not Path(marker).exists():
        Path(marker).touch()
        raise RuntimeError("not in the mood")
    return "fine"


def show(connection: Any, run: str) -> None:
    """Print what the database says of a run."""
    from sqlalchemy import text

    def ask(query: str) -> list[Any]:
        return list(connection.execute(text(query), {"run": run}))

    [(name, failed, completed)] = ask(
        "SELECT workflow_name, tasks_failed_count, tasks_completed_count FROM workflow WHERE run_id = :run"
    )
    print(f"{name}: {completed} tasks done, {failed} failed")
    for app, tasks, tries in ask(
        'SELECT task_func_name, count(DISTINCT task.task_id), count(*) FROM task JOIN "try" '
        'ON task.task_id = "try".task_id AND task.run_id = "try".run_id WHERE task.run_id = :run '
        "GROUP BY task_func_name ORDER BY task_func_name"
    ):
        print(f"  {app}: {tasks} tasks, {tries} tries")
    hosts = ask('SELECT DISTINCT hostname FROM "try" WHERE run_id = :run AND hostname IS NOT NULL')
    print(f"  on {len(hosts)} host{'s' if len(hosts) != 1 else ''}")
    workers = ask(
        "SELECT psutil_process_pid, max(psutil_process_time_user) - min(psutil_process_time_user), "
        "max(psutil_process_memory_resident) FROM resource WHERE run_id = :run GROUP BY psutil_process_pid"
    )
    for pid, seconds, memory in workers:
        print(f"  worker process {pid}: {seconds:.1f} s of CPU time, {memory / 1e6:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="a URL as SQLAlchemy writes it (default: runinfo/monitoring.db)")
    parser.add_argument("--executor", choices=["processes", "threads"], default="processes")
    parser.add_argument("--up-to", type=int, default=200_000, metavar="N")
    options = parser.parse_args()
    executor: Any = ThreadPoolExecutor()
    if options.executor == "processes":
        executor = HighThroughputExecutor(max_workers_per_node=2, address="127.0.0.1")
    hub = MonitoringHub(
        workflow_name="long chains", logging_endpoint=options.database, resource_monitoring_interval=1.0
    )
    with parsl.load(Config(executors=[executor], retries=1, monitoring=hub)) as kernel:
        step = max(1, options.up_to // 20)
        chains = [longest(i, i + step) for i in range(1, options.up_to, step)]
        moods = [moody(f"{kernel.run_dir}/mood-{i}") for i in range(3)]
        length, start = max(f.result() for f in chains)
        assert [f.result() for f in moods] == ["fine"] * 3
    print(f"the longest chain has {length} numbers and begins with {start}")

    from sqlalchemy import create_engine

    with create_engine(str(hub.logging_endpoint)).connect() as connection:
        show(connection, kernel.run_id)


if __name__ == "__main__":
    main()
