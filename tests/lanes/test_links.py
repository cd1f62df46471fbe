"""The client's ends of direct connections: what arrives by two roads is read once."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.lanes import links as module
from parsl_on_dask.lanes.links import REMEMBERED, Link, Links
from parsl_on_dask.remote.agent import ACKNOWLEDGED, FUNCTIONS_KEPT, GONE
from tests.lanes.fakes import RAN, Comm, Worker, World, call_of, outcome_of
from tests.lanes.sending import linked


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def with_link(world: World) -> tuple[Any, Worker, Link]:
    """A lane, a worker whose shift waits for more, and the connection between them."""
    lane = world.lane()
    worker = linked(world, lane)
    [link] = lane.links.links.values()
    assert link.ready
    return lane, worker, link


def fed(lane: Any, count: int = 1) -> list[Any]:
    """Calls that go to the shift directly."""
    calls = [call_of("app", operator.neg, i) for i in range(count)]
    for call in calls:
        lane.submit(call)
    lane.go()
    return calls


def test_the_second_road_tells_nothing_twice() -> None:
    told: list[Any] = []
    links = Links(None, "topic", lambda kind, item: told.append(item))  # type: ignore[arg-type]
    for name, number, message in (("a", 1, b"1"), ("a", 0, b"0"), ("a", 1, b"1"), ("b", 0, b"b"), ("a", 2, b"2")):
        links.received((name, number, message))
    links.received(b"by the first road")
    links.received(("a", 3, b""))  # a greeting, which nobody waits for any more
    assert told == [b"1", b"b", b"2", b"by the first road"]


def test_what_a_broken_connection_has_swallowed_arrives_by_the_other_road(world: World) -> None:
    lane, worker, _ = with_link(world)
    [call] = fed(lane)
    world.loop.turn(6)
    assert worker.take() and worker.finish()
    worker.take()
    worker.break_connections()
    world.settle(lane)
    assert outcome_of(call).value == 0
    assert [number for _, number, _ in RAN].count(call.number) == 1
    assert not lane.live


def test_calls_that_were_on_a_connection_that_broke_are_sent_again(world: World) -> None:
    lane, worker, link = with_link(world)
    calls = fed(lane, 3)
    worker.break_connections()  # they have not arrived
    world.settle(lane, 3)
    for _ in range(4):
        world.time.pass_by(2.0)
        lane.tick()
        world.settle(lane, 3)
    assert [outcome_of(call).value for call in calls] == [0, -1, -2]
    assert link.address not in lane.links.links or lane.links.links[link.address] is not link


def test_the_client_says_what_it_has_read(world: World) -> None:
    lane, worker, _ = with_link(world)
    for _ in range(ACKNOWLEDGED + 4):
        fed(lane)
        world.loop.turn(4)
        worker.take()
        worker.finish()
        worker.take()
        world.time.pass_by(0.01)
        world.loop.turn(4)
    lane.go()
    world.loop.turn(4)
    assert worker.agent.stream.first >= ACKNOWLEDGED
    assert len(worker.agent.stream.unread) < ACKNOWLEDGED


def test_a_worker_that_cannot_be_reached_takes_the_usual_road(world: World) -> None:
    lane = world.lane()
    world.connect = None  # type: ignore[assignment,method-assign]
    link = lane.links.to("tcp://nowhere:1")
    world.loop.turn(4)
    assert not link.ready
    lane.links.send(link, b"nobody reads this")
    world.loop.turn(2)


def test_a_link_forgets_functions_as_the_worker_does() -> None:
    link = Link("a")
    for i in range(FUNCTIONS_KEPT + 3):
        link.knows(str(i))
    assert len(link.known) == FUNCTIONS_KEPT
    assert "2" not in link.known and "3" in link.known
    link.knows("3")
    assert len(link.known) == FUNCTIONS_KEPT


def test_a_function_travels_once_to_a_worker(world: World) -> None:
    from parsl_on_dask.remote.packing import loads

    lane, worker, _ = with_link(world)
    sent: list[Any] = []
    send = lane.links.send
    lane.links.send = lambda link, message: (sent.append(loads(message)[1]), send(link, message))
    fed(lane)
    world.loop.turn(6)
    for step in (worker.take, worker.finish, worker.take, lambda: world.loop.turn(6), lane.go):
        step()
    other = call_of("pos", operator.pos, 1)
    lane.submit(other)
    lane.go()
    assert [len(functions) for functions in sent] == [0, 1]


def test_closing_says_goodbye(world: World) -> None:
    lane, worker, _ = with_link(world)
    lane.close()
    world.loop.turn(10)
    assert worker.agent.muted and not worker.agent.connected
    assert not lane.shifts and not lane.open_shifts


def test_what_is_known_of_connections_that_were_is_bounded() -> None:
    told: list[Any] = []
    links = Links(None, "topic", lambda kind, item: told.append(item))  # type: ignore[arg-type]
    link = links.links["a"] = Link("a")
    links.received((link.name, 0, b"first"))
    for number in range(3 * REMEMBERED):
        links.received((f"link {number}", 0, b"message"))
    assert len(links.read) <= REMEMBERED + 1
    links.received((link.name, 0, b"first"))
    assert told.count(b"first") == 1, "that of a connection that is there is never forgotten"


def test_workers_that_cannot_be_reached_are_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 4)
    lane = world.lane()
    for number in range(20):
        lane.links.to(f"tcp://gone:{number}")
        world.loop.turn(5)
    assert len(lane.links.links) <= 4


def test_shifts_that_have_ended_are_forgotten(world: World) -> None:
    lane, worker, _ = with_link(world)
    for _ in range(5):
        world.time.pass_by(1.0)
        worker.go_on()
        world.settle(lane)
        more = call_of("app", operator.neg, 2)
        lane.submit(more)
        world.settle(lane)
        assert outcome_of(more).value == -2
    world.settle(lane)
    known = {*lane.dispatcher.idle, *lane.dispatcher.next}
    assert known <= set(lane.open_shifts) and len(lane.open_shifts) <= 1


class Other:
    """What answers at the other end of the connections of links."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.told: list[Any] = []
        self.ends: list[Comm] = []
        monkeypatch.setattr("distributed.comm.core.connect", self.connect)
        client: Any = SimpleNamespace(loop=world.loop, connection_args={})
        self.links = Links(client, "topic", lambda kind, item: self.told.append((kind, item)))
        self.link = self.links.to("tcp://w:1")
        self.turn()

    async def connect(self, address: str) -> Comm:
        mine, theirs = Comm(), Comm()
        mine.other, theirs.other = theirs, mine
        self.ends.append(theirs)
        return mine

    def turn(self) -> None:
        self.world.loop.turn(8)

    def say(self, *messages: bytes) -> None:
        self.ends[-1].other.came.put_nowait(list(messages))
        self.turn()

    def heard(self) -> list[Any]:
        """What has arrived since it was asked last."""
        came = self.ends[-1].came
        return [came.get_nowait() for _ in range(came.qsize())]


def test_a_connection_is_told_of_when_it_is_there_and_when_it_has_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Other(world, monkeypatch)
    link = other.link
    assert other.heard() == [{"op": module.OPERATION, "topic": "topic", "link": link.name, "reply": False}]
    assert not link.ready and not other.told and not link.failed
    other.say(b"")
    assert link.ready and other.told == [("linked", link)]
    other.say(b"one", b"two")
    assert other.told[1:] == [("event", b"one"), ("event", b"two")]
    assert other.links.to("tcp://w:1") is link
    other.ends[-1].abort()
    other.turn()
    assert not link.ready and not link.failed and other.told[3:] == [("unlinked", link)]
    assert other.links.to("tcp://w:1") is not link, "another one may be made"


def test_a_connection_that_ends_before_it_is_there_was_never_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Other(world, monkeypatch)
    other.say(b"told")
    mine = other.ends[-1].other
    other.ends[-1].came.put_nowait(None)
    mine.came.put_nowait(None)
    other.turn()
    assert other.link.failed and mine.closed and other.told == [("event", b"told")]
    assert other.links.to("tcp://w:1") is other.link, "it is not tried again"


def test_reports_are_acknowledged_in_groups_and_when_they_are_large(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Other(world, monkeypatch)
    other.heard()
    other.say(b"", *[b"report"] * (ACKNOWLEDGED - 2))
    assert not other.heard()
    other.say(b"report")
    assert other.heard() == [[ACKNOWLEDGED]]
    other.say(*[b"report"] * (ACKNOWLEDGED - 1))
    assert not other.heard()
    other.say(b"report")
    assert other.heard() == [[2 * ACKNOWLEDGED]]
    large = b"x" * (module.BYTES_ACKNOWLEDGED // 2)
    other.say(large)
    assert not other.heard()
    other.say(large)
    assert other.heard() == [[2 * ACKNOWLEDGED + 2]]
    other.say(large)
    assert not other.heard()


def test_connections_are_given_up_at_the_end_also_those_that_are_being_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Other(world, monkeypatch)
    other.say(b"")
    other.heard()
    making = other.links.to("tcp://v:1")
    making.comm, making.stream = other.ends[0].other, None
    other.links.links = {"v": making}
    other.links.close()
    other.turn()
    assert other.ends[0].closed
    said = Other(world, monkeypatch)
    said.say(b"")
    said.heard()
    said.links.close()
    said.turn()
    assert said.heard()[0] == [GONE] and said.ends[-1].closed
