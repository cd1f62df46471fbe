"""What is measured, with which sizes, and what is aimed at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BOTH = ("processes", "threads")
PROCESSES = ("processes",)
SLURM = ("slurm",)
BLOCKS = (1, 50, 200)
EXISTING = (20, 200)
WITH_CHECKPOINTS = ("ours", "parsl")

Value = int | float | str


@dataclass(frozen=True)
class Workload:
    """One module of `benchmarks.workloads` with its sizes.

    Parameters
    ----------
    name
        What ``--only`` and ``--set`` call it.
    module
        The module below `benchmarks.workloads`.
    kinds
        The kinds of workers it is run on.
    sizes, quick
        Parameters of a full run, and those that ``--quick`` changes.
    systems
        The systems that it is run on.
    by_default
        Whether it is run without being named.
    """

    name: str
    module: str
    kinds: tuple[str, ...] = BOTH
    sizes: Mapping[str, Value] = field(default_factory=dict)
    quick: Mapping[str, Value] = field(default_factory=dict)
    systems: tuple[str, ...] = ("ours", "parsl", "dask")
    by_default: bool = True


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

WORKLOADS = (
    Workload("bulk", "bulk", sizes={"n": 5000}, quick={"n": 300}),
    Workload("round-trip", "round_trip", sizes={"n": 200}, quick={"n": 30}),
    Workload("chain", "chain", sizes={"n": 500}, quick={"n": 50}),
    Workload("tree", "tree", sizes={"leaves": 512, "arity": 8}, quick={"leaves": 64}),
    Workload(
        "data-chain",
        "data_chain",
        kinds=PROCESSES,
        sizes={"megabytes": 50, "links": 10, "payload": "auto"},
        quick={"megabytes": 10, "links": 5},
    ),
    Workload(
        "data-fanout",
        "data_fanout",
        kinds=PROCESSES,
        sizes={"megabytes": 50, "consumers": 20, "payload": "auto"},
        quick={"megabytes": 10, "consumers": 8},
    ),
    Workload("submit", "submit", sizes={"n": 1000}, quick={"n": 200}),
    Workload("first-result", "first_result"),
    Workload("import", "imports", kinds=PROCESSES),
    Workload("memory", "memory", kinds=PROCESSES, sizes={"n": 3000}, quick={"n": 500}),
    Workload(
        "waiting",
        "waiting",
        kinds=PROCESSES,
        sizes={"n": 10_000, "behind": "future"},
        quick={"n": 2000},
    ),
    Workload(
        "queued",
        "waiting",
        kinds=PROCESSES,
        sizes={"n": 10_000, "behind": "workers"},
        quick={"n": 2000},
    ),
    Workload("busy-0.1ms", "busy", kinds=PROCESSES, sizes={"ms": 0.1, "n": 3000}, quick={"n": 300}, by_default=False),
    Workload("busy-1ms", "busy", kinds=PROCESSES, sizes={"ms": 1, "n": 2000}, quick={"n": 200}),
    Workload("busy-10ms", "busy", kinds=PROCESSES, sizes={"ms": 10, "n": 400}, quick={"n": 40}),
    Workload("busy-100ms", "busy", kinds=PROCESSES, sizes={"ms": 100, "n": 60}, quick={"n": 8}, by_default=False),
    Workload("cached", "cached", sizes={"n": 5000}, quick={"n": 300}, systems=WITH_CHECKPOINTS),
    Workload(
        "open-checkpoint",
        "opening",
        kinds=PROCESSES,
        sizes={"n": 1_000_000, "layout": "own"},
        quick={"n": 20_000},
        systems=WITH_CHECKPOINTS,
        by_default=False,
    ),
    Workload(
        "open-tasks-pkl",
        "opening",
        kinds=PROCESSES,
        sizes={"n": 1_000_000, "layout": "parsl"},
        quick={"n": 20_000},
        systems=WITH_CHECKPOINTS,
        by_default=False,
    ),
    Workload("hpc-first-result", "first_result", kinds=SLURM, by_default=False),
    Workload("hpc-bulk", "bulk", kinds=SLURM, sizes={"n": 2000}, quick={"n": 200}, by_default=False),
    Workload("hpc-block-start", "block_start", kinds=SLURM, by_default=False),
    Workload(
        "monitoring",
        "monitoring",
        sizes={"n": 100_000},
        quick={"n": 2000},
        systems=("ours",),
        by_default=False,
    ),
    Workload(
        "sampling",
        "sampling",
        kinds=PROCESSES,
        sizes={"seconds": 34, "interval": 1.0, "children": 4},
        quick={"seconds": 8},
        systems=("ours", "parsl"),
        by_default=False,
    ),
    *(
        Workload(
            f"blocks-{n}",
            "blocks",
            kinds=PROCESSES,
            sizes={"n": n, "idle": 60.0},
            quick={"idle": 2.0},
            systems=("ours", "parsl"),
            by_default=False,
        )
        for n in BLOCKS
    ),
    *(
        Workload(
            f"workers-{n}",
            "workers",
            kinds=PROCESSES,
            sizes={"n": n, "calls": 3000},
            quick={"calls": 200},
            systems=("ours", "dask"),
            by_default=False,
        )
        for n in EXISTING
    ),
    Workload(
        "many",
        "many",
        kinds=PROCESSES,
        sizes={"n": 1_000_000},
        quick={"n": 10_000},
        systems=("ours",),
        by_default=False,
    ),
)


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
        (NEVER_SLOWER, _small("value", 93)),
    ),
    Row(
        "busy-100ms", "busy-100ms", "processes", "efficiency", "busy calls of 100 ms, part of ideal", "%", True,
        (NEVER_SLOWER,),
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
        False, (Target("value", 30),),
    ),
    Row(
        "monitoring-threads", "monitoring", "threads", "cost_percent", "cost of monitoring, part of the rate, threads",
        "%", False, (Target("value", 30),),
    ),
    Row(
        "monitoring-end", "monitoring", "processes", "end_seconds", "end of a run with monitoring", "s", False,
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
    Row("many", "many", "processes", "seconds", "very many calls from one loop", "s", False),
    Row(
        "many-client", "many", "processes", "client_mb", "very many calls, client memory", "MB", False,
        (_small("value", 3000),),
    ),
    Row(
        "many-scheduler", "many", "processes", "scheduler_mb", "very many calls, scheduler memory", "MB", False,
        (_small("value", 500),),
    ),
    Row(
        "many-worker", "many", "processes", "largest_worker_mb", "very many calls, largest worker", "MB", False,
    ),
)  # fmt: skip


def targets_of(row: Row, tier: str) -> tuple[Target, ...]:
    """The targets that a row is held to at `tier`: of several against the same system, the last one counts."""
    kept: dict[str, Target] = {}
    for target in row.targets:
        if TIERS.index(target.tier) <= TIERS.index(tier):
            kept[target.versus] = target
    return tuple(kept.values())
