"""Which workers there are, after many have come and gone."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

from parsl_on_dask.clusters.roster import TOPIC, PolledRoster, Roster, about, announcer


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


def identity(number: int) -> dict[str, Any]:
    name = f"hpc-block{number % 7}-node{number % 14}-{number}"
    return {"name": name, "host": "h", "nthreads": 2, "hostname": "h", "machine": "m", "pid": 1, "python": "3.11"}


def news(roster: Roster, what: str, number: int) -> None:
    roster._news((0.0, {what: f"tcp://{number}", "as": about(identity(number))}))


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


class Scheduler:
    """As much of a scheduler as tells its subscribers, and a client that subscribes late."""

    def __init__(self) -> None:
        self.workers: dict[str, Any] = {}
        self.subscribers: set[str] = set()
        self.plugin = announcer()
        self.handlers: list[Any] = []
        self.scheduler = SimpleNamespace(log_event=self.asked)
        self.id = "somebody"

    def log_event(self, topic: str, message: Any) -> None:
        for client in list(self.subscribers):
            self.report({"topic": topic, "event": (0.0, message)}, client)
        self.plugin.log_event(topic, message)

    def report(self, message: Any, client: str) -> None:
        assert client == self.id and message["topic"] == TOPIC
        for handler in self.handlers:
            handler(message["event"])

    async def asked(self, topic: str, msg: Any) -> None:
        self.log_event(topic, msg)

    def subscribe_topic(self, topic: str, by: Any) -> None:
        """By a client, whose message is on its way for ever; or by its name, in the scheduler itself."""
        if isinstance(by, str):
            self.subscribers.add(by)
        else:
            self.handlers.append(by)

    def sync(self, function: Any, *args: Any) -> Any:
        return asyncio.run(function(*args))

    def start(self, number: int) -> None:
        self.workers[f"tcp://{number}"] = SimpleNamespace(identity=lambda: identity(number))
        self.plugin.add_worker(self, f"tcp://{number}")

    def lose(self, number: int) -> None:
        del self.workers[f"tcp://{number}"]
        self.plugin.remove_worker(self, f"tcp://{number}")


def test_no_worker_is_missed_that_comes_while_one_begins_to_listen() -> None:
    scheduler, roster = Scheduler(), Roster(Cluster())  # type: ignore[arg-type]
    asyncio.run(scheduler.plugin.start(scheduler))
    scheduler.start(1)
    roster.begin(scheduler)
    scheduler.start(2)
    assert sorted(address for address, _ in roster.members()) == ["tcp://1", "tcp://2"]
    scheduler.lose(1)
    assert [address for address, _ in roster.members()] == ["tcp://2"]
    scheduler.subscribers.clear()  # news get lost
    scheduler.lose(2)
    scheduler.start(3)
    scheduler.sync(roster._ask, scheduler)
    assert [address for address, _ in roster.members()] == ["tcp://3"]


def test_an_old_list_does_not_replace_a_new_one() -> None:
    roster = PolledRoster(Cluster())  # type: ignore[arg-type]
    answers: list[asyncio.Future[Any]] = []

    async def answer(n_workers: int) -> Any:
        answers.append(asyncio.get_running_loop().create_future())
        return {"workers": await answers[-1]}

    async def play() -> None:
        client = SimpleNamespace(scheduler=SimpleNamespace(identity=answer))
        first, second = (asyncio.ensure_future(roster._ask(client)) for _ in range(2))
        await asyncio.sleep(0)
        answers[1].set_result({"tcp://1": identity(1), "tcp://2": identity(2)})
        await second
        answers[0].set_result({"tcp://1": identity(1)})
        await first

    asyncio.run(play())
    assert len(roster.members()) == 2
