"""Which workers there are, after many have come and gone."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from parsl_on_dask.clusters.roster import Roster, about


class Cluster:
    def __init__(self) -> None:
        self.came: list[str] = []
        self.missed = 0
        self.changes = 0

    def greet(self, worker: Any) -> None:
        self.came.append(worker.name)

    def miss(self) -> None:
        self.missed += 1

    def on_change(self) -> None:
        self.changes += 1


def news(roster: Roster, what: str, number: int) -> None:
    name = f"hpc-block{number % 7}-node{number % 14}-{number}"
    identity = {"name": name, "host": "h", "nthreads": 2, "hostname": "h", "machine": "m", "pid": 1, "python": "3.11"}
    roster._news((0.0, {what: f"tcp://{number}", "as": about(identity)}))


def test_the_sums_are_right_after_any_order_of_news() -> None:
    roster = Roster(Cluster())  # type: ignore[arg-type]
    chance, there = random.Random(5), set()
    for _ in range(3000):
        number = chance.randrange(60)
        what = chance.choice(("came", "went"))
        (there.add if what == "came" else there.discard)(number)
        news(roster, what, number)
        sizes = Counter(str(n % 7) for n in there)
        assert len(roster.members()) == len(there) and roster.slots == 2 * len(there)
        assert roster.blocks() == set(sizes)
        assert roster.largest_block() == 2 * max(sizes.values(), default=0)


def test_a_block_is_missed_when_its_last_worker_goes() -> None:
    cluster = Cluster()
    roster = Roster(cluster)  # type: ignore[arg-type]
    for number in (0, 7, 1):
        news(roster, "came", number)
    news(roster, "went", 0)
    assert cluster.missed == 0 and len(cluster.came) == 3
    news(roster, "went", 7)
    assert cluster.missed == 1 and cluster.changes == 5
    news(roster, "went", 7)
    assert cluster.missed == 1 and cluster.changes == 5, "it is no news"
