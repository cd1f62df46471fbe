"""Lanes whose calls say what they need: what is measured, granted, refused and given back."""

from __future__ import annotations

import operator
import pickle
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.lanes import resource_lane
from parsl_on_dask.lanes.mpi_lane import MpiLane
from parsl_on_dask.lanes.resource_lane import ResourceLane
from parsl_on_dask.lanes.stages import CANCEL
from parsl_on_dask.remote.packing import loads
from tests.lanes.fakes import World, _Turning, call_of, outcome_of
from tests.lanes.sending import hear

NODE = {"cores": 4.0, "memory": 1000.0, "disk": 1000.0, "gpus": 2}


class TurningResourceLane(_Turning, ResourceLane):
    """A lane of resources, turn by turn."""


class TurningMpiLane(_Turning, MpiLane):
    """A lane of MPI programs, turn by turn."""


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def opened(world: World, kind: type, nodes: str, found: Any, **described: Any) -> Any:
    """A lane to workers on these nodes (one letter each), and what its probe finds on each."""
    executor = world.executor()
    executor.node_resources = lambda: described  # type: ignore[method-assign]
    workers = executor.made.workers

    def there() -> Any:
        listed = workers()
        return [{**worker, "block": node, "node": node} for worker, node in zip(listed, lane.nodes, strict=True)]

    executor.made.workers = there  # type: ignore[method-assign]
    for _ in nodes:
        world.scheduler.add_worker()
    kind.nodes = nodes  # type: ignore[attr-defined]
    lane = kind(executor)
    lane.asked_of = []
    answers = found if callable(found) else lambda node: found

    def run(probe: Any, workers: Any) -> Any:
        node = nodes[list(world.scheduler.workers).index(workers[0])]
        lane.asked_of.append(node)
        return {workers[0]: answers(node)}

    lane.client.run = run
    measure(lane, lane.go)  # without being told of anything
    return lane


def measure(lane: Any, look: Callable[[], Any] | None = None) -> None:
    """Let the lane look at its nodes, and hear what was measured there."""
    (look or lane.tick)()
    for thread in threading.enumerate():
        if getattr(thread, "_target", None) == lane._measure:
            thread.join(60)
    for _ in range(100):
        if not lane.measuring:
            break
        item = lane.inbox.get(timeout=60)
        lane.inbox.put(item)
        lane.go()


def submit(lane: Any, *specs: dict[str, Any]) -> list[Any]:
    made = [call_of("app", operator.neg, number, **spec) for number, spec in enumerate(specs)]
    for call in made:
        lane.submit(call)
    lane.go()
    return made


def bundles(world: World) -> list[Any]:
    return [loads(task.data) for task in world.scheduler.tasks.values()]


def sent(world: World) -> int:
    return sum(len(bundle["calls"]) for bundle in bundles(world))


def test_what_is_measured_and_what_is_described(world: World) -> None:
    lane = opened(world, TurningResourceLane, "ab", (NODE, ("4", "7")), cores=8)
    assert sorted(lane.asked_of) == ["a", "b"]
    assert lane.admission.capacity == {("a", "a"): {**NODE, "cores": 8}, ("b", "b"): {**NODE, "cores": 8}}
    assert lane.admission.gpus == {("a", "a"): ("4", "7"), ("b", "b"): ("4", "7")}
    assert not lane.goes_ahead
    measure(lane)
    assert len(lane.asked_of) == 2, "once"


def test_more_gpus_than_have_names_are_counted(world: World) -> None:
    lane = opened(world, TurningResourceLane, "a", (NODE, ("4", "7")), gpus=3)
    submit(lane, {"cores": 1, "gpus": 3})
    assert [bundle["environment"] for bundle in bundles(world)] == [{"CUDA_VISIBLE_DEVICES": "0,1,2"}]


def test_a_node_that_cannot_be_measured_is_asked_again(world: World) -> None:
    broken = [OSError("gone")]

    def found(node: str) -> Any:
        if broken:
            raise broken.pop()
        return NODE, ()

    lane = opened(world, TurningResourceLane, "a", found)
    assert not lane.admission.capacity and not lane.measuring
    [call] = submit(lane, {"cores": 1})
    assert not sent(world)
    measure(lane)
    assert sent(world) == 1
    world.settle(lane)
    assert outcome_of(call).value == 0


def test_calls_go_when_a_node_has_what_they_ask_for(world: World) -> None:
    lane = opened(world, TurningResourceLane, "ab", (NODE, ("4", "7")))
    small = {"cores": 3, "memory": 1, "disk": 1}
    calls = submit(lane, {**small, "gpus": 1}, small, small, {"cores": 5})
    with pytest.raises(
        InvalidResourceSpecification, match=r"no node for this call of app 'app': cores=5 \(a node has 4"
    ):
        raise outcome_of(calls[3]).error or AssertionError
    tasks = list(world.scheduler.tasks.values())
    assert len(tasks) == 2 and lane.admission.waiting == 1
    assert sorted(task.workers for task in tasks) == sorted([address] for address in world.scheduler.workers)
    assert all(task.others for task in tasks), "Dask may choose if the node is gone"
    assert [bundle["environment"] for bundle in bundles(world)] == [{"CUDA_VISIBLE_DEVICES": "4"}, None]
    world.settle(lane)
    assert [outcome_of(call).value for call in calls[:3]] == [0, -1, -2]
    assert not lane.asked and not lane.admission.granted and not lane.admission.waiting


def test_what_a_cancelled_call_would_get_is_for_others(world: World) -> None:
    lane = opened(world, TurningResourceLane, "a", (NODE, ()))
    first, second, third = submit(lane, {}, {}, {})
    assert sent(world) == 1 and not lane.open_shifts, "what it has got is its own"
    assert second.step(CANCEL) is not None
    lane.withdraw(second)
    world.settle(lane)
    assert outcome_of(first).value == 0 and outcome_of(third).value == -2 and not second.owner


def test_short_calls_share_what_the_first_of_them_gets(world: World) -> None:
    lane = opened(world, TurningResourceLane, "a", (NODE, ()))
    one = call_of("app", operator.neg, 1)
    lane.packer.pack(one)
    lane.queues.learn(one, 0.001, kept=False)
    calls = submit(lane, *[{"cores": 4}] * 9)
    assert [len(bundle["calls"]) for bundle in bundles(world)] == [1], "when it came, no other one waited"
    world.settle(lane, 3)
    assert max(len(bundle["calls"]) for bundle in bundles(world)) == 4
    world.settle(lane)
    assert [outcome_of(call).value for call in calls] == [-number for number in range(9)]
    assert not lane.admission.granted
    again = call_of("app", operator.neg, 1)
    again.uncharged = 1
    assert lane.share(again, 100) == 1, "it may be the reason"
    lane.packer.pack(again)
    again.uncharged = 0
    assert lane.share(again, 100) == 50


def test_how_long_a_call_lasts_at_least_is_known_from_what_it_says(world: World) -> None:
    lane = opened(world, TurningResourceLane, "a", (NODE, ()))
    [call] = submit(lane, {"cores": 1, "running_time_min": 60})
    assert lane.queues.need_of(call.function_key) >= 60
    [other] = [call_of("abs", operator.abs, 1, cores=1)]
    lane.submit(other)
    lane.go()
    assert lane.queues.need_of(other.function_key) == 0


def test_calls_end_with_their_lane(world: World) -> None:
    lane = opened(world, TurningResourceLane, "a", (NODE, ()))
    calls = submit(lane, {}, {})
    lane.close()
    assert all("it was shut down" in str(outcome_of(call).error) for call in calls)
    assert not lane.admission.waiting and not lane.admission.granted


def test_what_a_node_has_is_looked_up_there(monkeypatch: pytest.MonkeyPatch) -> None:
    look: Any = pickle.loads(resource_lane._measure().blob)
    listed: list[Any] = []

    def nvidia(command: list[str], **how: Any) -> Any:
        assert command == ["nvidia-smi", "-L"] and how["text"] and how["check"] and how["capture_output"]
        if not listed:
            raise OSError("no such command")
        return SimpleNamespace(stdout="".join(listed))

    monkeypatch.setattr("subprocess.run", nvidia)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=7 * 2**20 + 1))
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=5 * 2**20 + 1))
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    for name in ("PARSL_CORES", "PARSL_MEMORY_GB", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    assert look() == ({"cores": 3.0, "memory": 5, "disk": 7, "gpus": 0}, ())
    listed += ["GPU 0: A100\n", "GPU 1: A100\n"]
    assert look()[1] == ("0", "1") and look()[0]["gpus"] == 2
    for visible, gpus in (("4, 7", ("4", "7")), ("", ()), ("-1", ()), ("NoDevFiles", ())):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert look()[1] == gpus
    monkeypatch.setenv("PARSL_CORES", "2")
    monkeypatch.setenv("PARSL_MEMORY_GB", "1.5")
    assert look()[0] == {"cores": 2.0, "memory": 1536.0, "disk": 7, "gpus": 0}


def test_a_call_that_was_not_run_waits_again_for_what_it_asked_for(world: World) -> None:
    lane = opened(world, TurningResourceLane, "a", (NODE, ()))
    [call] = submit(lane, {"cores": 4})
    lane.again(call)
    assert call.spec is not None and lane.admission.granted[call.number].amounts["cores"] == 4
    world.settle(lane)
    assert len(outcome_of(call).worker) > 0 and not lane.admission.granted and not lane.asked


# -- MPI ---------------------------------------------------------------------------------------------------------


def mpi_lane(world: World, nodes: str, per_block: int = 2, **found: Any) -> Any:
    def look(block: str) -> Any:
        names = [f"{block}{number}" for number in range(per_block)]
        return {"nodes": names, "error": "", "system": "Slurm", "open_mpi": False, **found}

    return opened(world, TurningMpiLane, nodes, look)


def test_a_call_gets_nodes_of_one_block(world: World) -> None:
    lane = mpi_lane(world, "aab")
    calls = submit(lane, {"num_nodes": 2}, {"num_nodes": 1}, {"num_nodes": 2}, {"num_nodes": 3}, {"num_nodes": 0})
    with pytest.raises(InvalidResourceSpecification, match="has no 3 nodes for a call of app 'app': a block has 2"):
        raise outcome_of(calls[3]).error or AssertionError
    assert isinstance(outcome_of(calls[4]).error, InvalidResourceSpecification)
    assert len(bundles(world)) == 2 and lane.admission.waiting == 1
    assert sum(lane.busy().values()) == pytest.approx(2 * 0.5 + 1 * 1.0) or sum(lane.busy().values()) == pytest.approx(
        2 * 1.0 + 1 * 0.5
    )
    assert {bundle["block"] for bundle in bundles(world)} == {"a", "b"}
    world.settle(lane)
    assert [outcome_of(call).value for call in calls[:3]] == [0, -1, -2]
    assert not any(lane.busy().values())
    [call] = submit(lane, {"num_nodes": 1})
    lane.again(call)
    world.settle(lane)
    assert outcome_of(call).value == 0 and not any(lane.busy().values())


def test_what_is_missing_is_said(world: World) -> None:
    for found, text in (
        ({}, "Give the provider a larger nodes_per_block, or ask for fewer."),
        ({"system": ""}, "No variable of a batch system names more"),
        ({"error": "no such file"}, "the list of nodes of Slurm cannot be read: no such file"),
    ):
        with World() as each:
            lane = mpi_lane(each, "a", per_block=9, **found)
            [call] = submit(lane, {"num_nodes": 10})
            assert text in str(outcome_of(call).error)
            if not found:
                assert "a block has 9 (a0, a1, a2, a3, a4, a5, a6, a7, ...). " in str(outcome_of(call).error)


def test_a_block_that_is_given_back_gets_no_calls(world: World) -> None:
    lane = mpi_lane(world, "ab")
    address = next(iter(world.scheduler.workers))
    lane.ends.drains = lambda each: each == address
    lane.look()
    submit(lane, {"num_nodes": 1}, {"num_nodes": 2})
    assert {bundle["block"] for bundle in bundles(world)} == {"b"} and lane.admission.waiting == 1
    lane.ends.drains = lambda each: False
    lane.tick()
    assert {bundle["block"] for bundle in bundles(world)} == {"a", "b"}


def test_a_block_whose_worker_dies_gives_its_nodes_back(world: World) -> None:
    lane = mpi_lane(world, "ab", per_block=1)
    [call] = submit(lane, {"num_nodes": 1})
    [task] = world.scheduler.tasks.values()
    worker = world.scheduler.workers[task.workers[0]]
    world.scheduler.assign(worker)
    worker.begin()
    worker.take()
    hear(world, lane)
    lane.nodes = "ab".replace(str(loads(task.data)["block"]), "")
    world.scheduler.lose(worker)
    for _ in range(4):
        world.loop.turn(4)
        while world.scheduler.hear():
            pass
        lane.tick()
        world.time.pass_by(2.0)
    assert isinstance(outcome_of(call).error, WorkerLost)
    assert list(lane.admission.names) == list(lane.addresses) == [(lane.nodes,)]
    assert not any(lane.busy().values())
