"""What is measured, with which sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BOTH = ("processes", "threads")
PROCESSES = ("processes",)
SLURM = ("slurm",)
BLOCKS = (1, 50, 200)
EXISTING = (4, 20, 100, 300)
LOADS = (0, 6)
"""How many processes keep the machine busy beside calls that sleep."""
WITH_CHECKPOINTS = ("ours", "parsl")

DRAWN = ("ours", "parsl", "dask", "ray", "executorlib")
"""Of workloads that are drawn."""

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


WORKLOADS = (
    Workload("bulk", "bulk", sizes={"n": 5000}, quick={"n": 300}, systems=DRAWN),
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
    *(
        Workload(
            f"busy-{ms:g}ms",
            "busy",
            kinds=PROCESSES,
            sizes={"ms": ms, "n": n},
            quick={"n": n // 10},
            systems=DRAWN,
            by_default=by_default,
        )
        for ms, n, by_default in ((0.1, 3000, False), (1, 2000, True), (10, 400, True), (100, 60, False))
    ),
    *(
        Workload(
            f"units-{load}",
            "units",
            kinds=PROCESSES,
            sizes={"units": 30, "ms": 100, "load": load},
            quick={"units": 4, "ms": 20},
            by_default=not load,
        )
        for load in LOADS
    ),
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
    Workload(
        "specifications",
        "specifications",
        kinds=PROCESSES,
        sizes={"n": 10_000, "kinds": 50},
        quick={"n": 500},
        systems=("ours",),
        by_default=False,
    ),
    Workload(
        "soak",
        "soak",
        kinds=PROCESSES,
        sizes={"n": 3_000_000, "calls_of_one": 1000},
        quick={"n": 20_000, "calls_of_one": 100},
        systems=("ours",),
        by_default=False,
    ),
)
