"""What the lines of the table are, and what each of them aims at."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.catalogue import BLOCKS, EXISTING, LOADS


@dataclass(frozen=True)
class Target:
    """What a row aims at.

    Parameters
    ----------
    versus
        "parsl" or "dask": `bound` is the least ratio; "value": `bound` is a limit for our own figure.
    bound
        The number to reach.
    tier
        "basic" for what holds from the first version on; "small-tasks" for what call batching is to reach.
    """

    versus: str
    bound: float
    tier: str = "basic"


@dataclass(frozen=True)
class Row:
    """One line of the table: one figure of one workload on one kind of workers."""

    name: str
    workload: str
    kind: str
    figure: str
    title: str
    unit: str
    higher_is_better: bool
    targets: tuple[Target, ...] = ()


TIERS = ("basic", "small-tasks")
NEVER_SLOWER = Target("dask", 1)


def _parsl(ratio: float, tier: str = "basic") -> Target:
    return Target("parsl", ratio, tier)


def _small(versus: str, bound: float) -> Target:
    return Target(versus, bound, "small-tasks")


ROWS = (
    Row(
        "bulk-processes", "bulk", "processes", "calls_per_second", "no-op calls, two processes", "calls/s", True,
        (NEVER_SLOWER, _small("parsl", 10), _small("dask", 20)),
    ),
    Row(
        "bulk-threads", "bulk", "threads", "calls_per_second", "no-op calls, two threads", "calls/s", True,
        (NEVER_SLOWER, _small("parsl", 1)),
    ),
    Row(
        "round-trip-processes", "round-trip", "processes", "median_ms", "round trip, processes", "ms", False,
        (NEVER_SLOWER, _small("parsl", 1)),
    ),
    Row(
        "round-trip-threads", "round-trip", "threads", "median_ms", "round trip, threads", "ms", False,
        (NEVER_SLOWER, _small("dask", 5)),
    ),
    Row(
        "chain-processes", "chain", "processes", "ms_per_link", "dependent chain, processes, a link", "ms", False,
        (NEVER_SLOWER, _small("parsl", 5)),
    ),
    Row(
        "chain-threads", "chain", "threads", "ms_per_link", "dependent chain, threads, a link", "ms", False,
        (NEVER_SLOWER,),
    ),
    Row(
        "tree-processes", "tree", "processes", "calls_per_second", "reduction tree, processes", "calls/s", True,
        (NEVER_SLOWER, _small("parsl", 5)),
    ),
    Row(
        "tree-threads", "tree", "threads", "calls_per_second", "reduction tree, threads", "calls/s", True,
        (NEVER_SLOWER,),
    ),
    Row(
        "data-chain", "data-chain", "processes", "seconds", "large value through a chain", "s", False,
        (NEVER_SLOWER, _parsl(30)),
    ),
    Row(
        "data-fanout", "data-fanout", "processes", "seconds", "large value to many consumers", "s", False,
        (NEVER_SLOWER, _parsl(30)),
    ),
    Row(
        "submit-processes", "submit", "processes", "median_us", "submit, a call, processes", "µs", False,
        (NEVER_SLOWER, Target("value", 100), _small("parsl", 2)),
    ),
    Row(
        "submit-threads", "submit", "threads", "median_us", "submit, a call, threads", "µs", False,
        (NEVER_SLOWER, Target("value", 100), _small("parsl", 2)),
    ),
    Row(
        "first-result-processes", "first-result", "processes", "seconds", "first result from load, processes", "s",
        False, (NEVER_SLOWER, _parsl(2)),
    ),
    Row(
        "first-result-import-processes", "first-result", "processes", "with_import_seconds",
        "first result from import, processes", "s", False, (NEVER_SLOWER, _parsl(2)),
    ),
    Row(
        "first-result-threads", "first-result", "threads", "seconds", "first result from load, threads", "s", False,
        (NEVER_SLOWER,),
    ),
    Row(
        "first-result-import-threads", "first-result", "threads", "with_import_seconds",
        "first result from import, threads", "s", False, (NEVER_SLOWER,),
    ),
    Row("import", "import", "processes", "seconds", "import", "s", False, (NEVER_SLOWER, _parsl(1))),
    Row(
        "import-names", "import", "processes", "names_seconds", "import with the names of a script", "s", False,
        (NEVER_SLOWER, _parsl(1)),
    ),
    Row(
        "memory", "memory", "processes", "kib_per_call", "client memory, a finished held call", "KiB", False,
        (NEVER_SLOWER,),
    ),
    Row(
        "waiting", "waiting", "processes", "kb_per_call", "client memory, a call that waits for a future", "kB", False,
        (_small("value", 2.5),),
    ),
    Row(
        "queued", "queued", "processes", "kb_per_call", "client memory, a ready call behind taken workers", "kB",
        False, (_small("value", 2.5),),
    ),
    Row(
        "busy-0.1ms", "busy-0.1ms", "processes", "efficiency", "busy calls of 0.1 ms, part of ideal", "%", True,
        (NEVER_SLOWER,),
    ),
    Row(
        "busy-1ms", "busy-1ms", "processes", "efficiency", "busy calls of 1 ms, part of ideal", "%", True,
        (NEVER_SLOWER, _small("value", 70)),
    ),
    Row(
        "busy-10ms", "busy-10ms", "processes", "efficiency", "busy calls of 10 ms, part of ideal", "%", True,
        (NEVER_SLOWER, _small("value", 94)),
    ),
    Row(
        "busy-100ms", "busy-100ms", "processes", "efficiency", "busy calls of 100 ms, part of ideal", "%", True,
        (NEVER_SLOWER, _small("value", 97), _small("parsl", 1)),
    ),
    *(
        Row(f"units-{figure}-{load}", f"units-{load}", "processes", figure,
            title + (f", beside {load} busy processes" if load else ""), unit, True,
            (_small("parsl", 1), *((_small("value", least),) if least and not load else ())))
        for load in LOADS
        for figure, title, unit, least in (
            ("flat", "calls that sleep 100 ms, at a time on two workers", "calls", 1.95),
            ("fan", "the same in units of five, fan-out and fan-in", "calls", 1.95),
            ("early", "units done when half of their time is over", "%", 40),
        )
    ),
    Row(
        "cached-cold-processes", "cached", "processes", "cold_calls_per_second", "cached no-op calls, cold, processes",
        "calls/s", True, (_parsl(5),),
    ),
    Row(
        "cached-cold-threads", "cached", "threads", "cold_calls_per_second", "cached no-op calls, cold, threads",
        "calls/s", True, (_parsl(1),),
    ),
    Row(
        "cached-warm-processes", "cached", "processes", "warm_calls_per_second", "cached no-op calls, warm, processes",
        "calls/s", True, (_parsl(3),),
    ),
    Row(
        "cached-warm-threads", "cached", "threads", "warm_calls_per_second", "cached no-op calls, warm, threads",
        "calls/s", True, (_parsl(3),),
    ),
    Row(
        "open-checkpoint", "open-checkpoint", "processes", "seconds", "opening a checkpoint", "s", False, (_parsl(1),),
    ),
    Row(
        "open-checkpoint-memory", "open-checkpoint", "processes", "peak_mb", "opening a checkpoint, memory", "MB",
        False, (_parsl(4),),
    ),
    Row(
        "open-tasks-pkl", "open-tasks-pkl", "processes", "seconds", "opening Parsl's checkpoint", "s", False,
        (_parsl(1),),
    ),
    Row(
        "open-tasks-pkl-memory", "open-tasks-pkl", "processes", "peak_mb", "opening Parsl's checkpoint, memory",
        "MB", False, (_parsl(4),),
    ),
    Row(
        "hpc-first-result", "hpc-first-result", "slurm", "seconds", "first result from load, Slurm", "s", False,
        (_parsl(2),),
    ),
    Row(
        "hpc-bulk", "hpc-bulk", "slurm", "calls_per_second", "no-op calls, two blocks of Slurm", "calls/s", True,
        (_parsl(5),),
    ),
    Row(
        "hpc-block-start", "hpc-block-start", "slurm", "seconds", "from job to first call, Slurm", "s", False,
        (Target("dask", 1 / 1.5),),
    ),
    Row(
        "monitoring", "monitoring", "processes", "cost_percent", "cost of monitoring, part of the rate, processes", "%",
        False, (Target("value", 15),),
    ),
    Row(
        "monitoring-threads", "monitoring", "threads", "cost_percent", "cost of monitoring, part of the rate, threads",
        "%", False, (Target("value", 15),),
    ),
    Row(
        "monitoring-end", "monitoring", "processes", "end_seconds", "end of a run with monitoring", "s", False,
        (_small("value", 2),),
    ),
    Row(
        "sampling", "sampling", "processes", "percent_of_a_core", "samples of resources each second, a worker",
        "% of a core", False, (Target("value", 2),),
    ),
    *(
        Row(f"blocks-{n}{whole}{name}", f"blocks-{n}", "processes", f"{prefix}{figure}", f"{title}, {n} blocks, {of}",
            "ms", False, (_parsl(1),))
        for n in BLOCKS
        for whole, prefix, of in (("", "", "the script"), ("-whole", "whole_", "all processes"))
        for name, figure, title in (
            ("", "ms_per_block", "processor time of a block"),
            ("-idle", "ms_per_idle_minute", "processor time of an idle minute"),
        )
    ),
    *(
        Row(f"workers-{n}", f"workers-{n}", "processes", "us_per_call",
            f"no-op call, client and scheduler time, {n} workers of an existing cluster", "µs", False, (NEVER_SLOWER,))
        for n in EXISTING
    ),
    *(
        Row(f"workers-{n}-rate", f"workers-{n}", "processes", "calls_per_second",
            f"no-op calls, {n} workers of an existing cluster", "calls/s", True, (NEVER_SLOWER, _small("dask", 10)))
        for n in EXISTING
    ),
    Row("many", "many", "processes", "seconds", "very many calls from one loop", "s", False),
    Row(
        "many-client", "many", "processes", "client_mb", "very many calls, client memory", "MB", False,
        (_small("value", 1000),),
    ),
    Row(
        "many-scheduler", "many", "processes", "scheduler_mb", "very many calls, scheduler memory", "MB", False,
        (_small("value", 500),),
    ),
    Row(
        "many-worker", "many", "processes", "largest_worker_mb", "very many calls, largest worker", "MB", False,
    ),
    Row(
        "specifications", "specifications", "processes", "times_plain",
        "WorkQueueExecutor, no-op calls, against HTEX's time", "x", False, (_small("value", 3),),
    ),
    Row(
        "specifications-many", "specifications", "processes", "times_plain_many",
        "the same with 50 different specifications", "x", False, (_small("value", 5),),
    ),
    Row(
        "soak-client", "soak", "processes", "client_mb", "growth of the client, each million calls", "MB", False,
        (_small("value", 5),),
    ),
    Row(
        "soak-other", "soak", "processes", "other_mb", "growth of another process, each million calls", "MB", False,
        (_small("value", 5),),
    ),
    Row(
        "soak-descriptors", "soak", "processes", "descriptors", "more descriptors, each million calls", "", False,
        (_small("value", 1),),
    ),
    Row(
        "soak-threads", "soak", "processes", "threads", "more threads, each million calls", "", False,
        (_small("value", 1),),
    ),
)  # fmt: skip


def targets_of(row: Row, tier: str) -> tuple[Target, ...]:
    """The targets that a row is held to at `tier`: of several against the same system, the last one counts."""
    kept: dict[str, Target] = {}
    for target in row.targets:
        if TIERS.index(target.tier) <= TIERS.index(tier):
            kept[target.versus] = target
    return tuple(kept.values())
