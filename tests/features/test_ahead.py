"""Calls that follow others are sent to the worker before these are done, and nobody can tell by the outcome."""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import bash_app, python_app
from parsl_on_dask.dataflow.dependency_resolvers import DependencyResolver
from parsl_on_dask.dataflow.errors import DependencyError
from tests.helpers import WAIT, eventually, hold, text_of
from tests.lanes.traffic import Traffic, at_rest, occupied

WARM = True

CONFIG = {"initialize_logging": False, "retries": 1}
pytestmark = pytest.mark.usefixtures("kernel")


@python_app
def value(x: Any) -> Any:
    return x


@python_app
def increment(x: int) -> int:
    return x + 1


@python_app
def add(a: Any, b: Any = 0, inputs: Any = ()) -> Any:
    return a + b + sum(inputs)


@python_app
def link(folder: str, i: int, x: int, deed: str = "", at: int = -1) -> int:
    """Count the run, and add one; one link of a chain may do something else."""

    with open(f"{folder}/runs", "a") as file:
        file.write(f"{i} {os.getpid()}\n")
    first = len([line for line in open(f"{folder}/runs").read().splitlines() if line.split()[0] == str(i)]) == 1
    if i == at:
        if deed == "raises":
            raise ValueError(f"link {i}")
        if deed == "raises once" and first:
            raise ValueError(f"link {i}, once")
        if deed == "dies once" and first:
            os._exit(3)
        if deed == "waits":
            deadline = time.monotonic() + 60
            while not os.path.exists(f"{folder}/gate"):
                if time.monotonic() > deadline:
                    raise TimeoutError("gate")
                time.sleep(0.005)
    return x + 1


def lane_of(kernel: Any) -> Any:
    return next(iter(kernel.executors.values())).lane


def runs(folder: Path) -> list[tuple[int, int]]:
    lines = [line.split() for line in text_of(folder / "runs").splitlines()]
    return [(int(i), int(pid)) for i, pid in lines]


def how_often(folder: Path) -> dict[int, int]:
    return dict(Counter(i for i, _ in runs(folder)))


@pytest.fixture(autouse=True)
def warm(kernel: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Run times of the links are known, so that many of them may travel together."""
    folder = str(tmp_path_factory.mktemp("warm"))
    for future in [link(folder, i, i) for i in range(40)] + [increment(i) for i in range(40)]:
        future.result(WAIT)


def chain(folder: Path, length: int, first: Any = 0, deed: str = "", at: int = -1) -> list[Any]:
    """A chain of links, of which each but the first waits for the one before."""
    futures = []
    x = first
    for i in range(length):
        x = link(str(folder), i, x, deed, at)
        futures.append(x)
    return futures


def sent_ahead(kernel: Any, folder: Path, length: int, deed: str, at: int) -> list[Any]:
    """A chain that was sent to a worker as a whole, before its first link could run there."""
    lane = lane_of(kernel)
    if not hasattr(lane, "links"):
        return chain(folder, length, 0, deed, at)
    eventually(lambda: not lane.open_shifts, "no worker waits for more calls")
    with Traffic(lane) as traffic:
        with at_rest(lane):
            for times in lane.queues.times.values():
                times.mean = min(times.mean, 1e-4)  # they are short, however busy the machine was
            futures = chain(folder, length, 0, deed, at)
        eventually(lambda: traffic.groups, "they were sent")
    assert len(traffic.groups[0]) == length, "all together"
    return futures


# ---------------------------------------------------------------- chains


def test_a_chain_is_sent_as_a_whole(kernel: Any, config_name: str, tmp_path: Path) -> None:
    if config_name == "threads":
        pytest.skip("nothing is sent to threads")
    futures = sent_ahead(kernel, tmp_path, 100, "", -1)
    assert [f.result(WAIT) for f in futures] == list(range(1, 101))
    assert [i for i, _ in runs(tmp_path)] == list(range(100)), "in order, and once"
    assert len({pid for _, pid in runs(tmp_path)}) == 1, "on one worker"


def test_a_chain_takes_few_messages(kernel: Any, config_name: str, tmp_path: Path) -> None:
    """As many links as there are, behind something that ends later."""
    if config_name == "threads":
        pytest.skip("nothing is sent to threads")
    with Traffic(lane_of(kernel)) as traffic:
        head: concurrent.futures.Future[int] = concurrent.futures.Future()
        futures = chain(tmp_path, 1000, head)
        head.set_result(5)
        assert futures[-1].result(WAIT) == 1005
    assert [f.result(WAIT) for f in futures] == list(range(6, 1006))
    assert [i for i, _ in runs(tmp_path)] == list(range(1000))
    assert traffic.messages < 400, "fewer than every second link has a message of its own"
    pids = [pid for _, pid in runs(tmp_path)]
    moves = sum(a != b for a, b in itertools.pairwise(pids))
    assert moves < 50, "a chain stays with its worker"


def test_two_chains_run_in_parallel() -> None:
    @python_app
    def slow(x: int, record: list[Any]) -> list[Any]:
        import threading

        began = time.time()
        time.sleep(0.02)
        return [*record, (os.getpid(), threading.get_ident(), began, time.time())]

    for future in [slow(0, []) for _ in range(4)]:
        future.result(WAIT)
    ends: list[Any] = [[], []]
    for i in range(30):
        ends = [slow(i, record) for record in ends]
    one, two = (end.result(WAIT) for end in ends)
    assert len(one) == len(two) == 30
    at_once = {(a[:2], b[:2]) for a in one for b in two if a[2] < b[3] and b[2] < a[3]}
    assert at_once, "they ran one after the other"
    assert all(a != b for a, b in at_once)


def test_a_chain_longer_than_the_window() -> None:
    x: Any = value(0)
    for _ in range(3000):
        x = increment(x)
    assert x.result(WAIT) == 3000


def test_joins_of_calls_in_one_batch(kernel: Any, config_name: str) -> None:
    layer: list[Any] = [increment(i) for i in range(256)]
    while len(layer) > 1:
        layer = [add(a, b=b) for a, b in zip(layer[::2], layer[1::2], strict=True)]
    assert layer[0].result(WAIT) == sum(range(1, 257))
    if config_name == "threads":
        return
    lane = lane_of(kernel)
    eventually(lambda: not lane.open_shifts, "no worker waits for more calls")
    with Traffic(lane) as traffic:
        with at_rest(lane):
            a = increment(1)
            b = increment(a)
            c = add(b, b=b, inputs=[10, b])
            d = add(a, b=b)
        assert (d.result(WAIT), c.result(WAIT), b.result(WAIT), a.result(WAIT)) == (5, 19, 3, 2)
    assert len(traffic.groups[0]) == 3, "a, b and c"


def test_dependents_of_one_slow_call_are_spread(kernel: Any, tmp_path: Path) -> None:
    @python_app
    def who(x: Any, i: int) -> tuple[int, int]:
        import threading

        time.sleep(0.03)
        return os.getpid(), threading.get_ident()

    for future in [who(0, i) for i in range(4)]:
        future.result(WAIT)
    started, gate = tmp_path / "started", tmp_path / "gate"
    source = python_app(hold)(str(started), str(gate))
    eventually(started.exists, "it runs")
    dependents = [who(source, i) for i in range(40)]
    assert not any(f.done() for f in dependents)
    gate.touch()
    assert len({f.result(WAIT) for f in dependents}) == 2


# ---------------------------------------------------------------- what can go wrong on the way


def test_nothing_runs_after_a_link_that_fails(kernel: Any, tmp_path: Path) -> None:
    futures = sent_ahead(kernel, tmp_path, 60, "raises", 30)
    error = futures[-1].exception(WAIT)
    assert isinstance(futures[30].exception(WAIT), ValueError)
    assert [f.result(WAIT) for f in futures[:30]] == list(range(1, 31))
    assert how_often(tmp_path) == {**dict.fromkeys(range(30), 1), 30: 2}, "retries=1, and nothing behind it"
    assert all(isinstance(f.exception(WAIT), DependencyError) for f in futures[31:])
    assert all(f.task_record.status.name == "dep_fail" for f in futures[31:])
    seen: Any = futures[31].exception()
    assert seen.__cause__ is futures[30].exception()
    assert ("link 30" in str(error) and "'link'" in str(error)) or "link" in str(error)
    root: Any = error
    while isinstance(root, DependencyError):
        root = root.__cause__
    assert isinstance(root, ValueError) and str(root) == "link 30"


def test_a_link_that_is_tried_again(kernel: Any, tmp_path: Path) -> None:
    futures = sent_ahead(kernel, tmp_path, 60, "raises once", 30)
    assert [f.result(WAIT) for f in futures] == list(range(1, 61))
    assert how_often(tmp_path) == {**dict.fromkeys(range(60), 1), 30: 2}
    assert [f.task_record.fail_count for f in futures] == [int(i == 30) for i in range(60)]


def test_a_link_that_kills_its_worker(kernel: Any, config_name: str, tmp_path: Path) -> None:
    if config_name == "threads":
        pytest.skip("it would end this process")
    futures = sent_ahead(kernel, tmp_path, 60, "dies once", 30)
    assert [f.result(WAIT) for f in futures] == list(range(1, 61))
    often = how_often(tmp_path)
    assert sorted(often) == list(range(60))
    if config_name == "processes":  # with a journal, the guilty one is known at once
        assert often == {**dict.fromkeys(range(60), 1), 30: 2}
        assert [f.task_record.fail_count for f in futures] == [int(i == 30) for i in range(60)]
    assert all(often[i] == 1 for i in range(31, 60)), "they could not have run before"


def test_cancelled_links_never_run(kernel: Any, tmp_path: Path) -> None:
    """Links that wait, in the kernel or on their way, can be cancelled; True is a promise."""
    futures = sent_ahead(kernel, tmp_path, 60, "waits", 20)
    eventually(lambda: 20 in how_often(tmp_path), "link 20 runs")
    cancelled = {i for i in (30, 45) if futures[i].cancel()}
    (tmp_path / "gate").touch()
    assert [f.result(WAIT) for f in futures[:30]] == list(range(1, 31))
    for future in futures:
        future_error = None
        try:
            future_error = future.exception(WAIT)
        except concurrent.futures.CancelledError:
            assert future in [futures[i] for i in cancelled]
        assert future_error is None or isinstance(future_error, DependencyError)
    ran = how_often(tmp_path)
    assert not cancelled & set(ran)
    if cancelled:
        assert set(ran) == set(range(min(cancelled))), "nothing behind it runs"
    else:
        assert futures[-1].result(WAIT) == 60


def test_a_link_that_waits_in_the_kernel_can_be_cancelled(kernel: Any, tmp_path: Path) -> None:
    head: concurrent.futures.Future[int] = concurrent.futures.Future()
    futures = chain(tmp_path, 10, head)
    assert futures[5].cancel() and futures[5].cancelled()
    head.set_result(0)
    assert [f.result(WAIT) for f in futures[:5]] == [1, 2, 3, 4, 5]
    assert isinstance(futures[9].exception(WAIT), DependencyError)
    assert set(how_often(tmp_path)) == set(range(5))


def test_a_prepared_link_can_be_cancelled(kernel: Any, config_name: str, tmp_path: Path) -> None:
    """Between its being offered and its being sent."""
    if config_name == "threads":
        pytest.skip("nothing is sent to threads")
    lane = lane_of(kernel)
    with at_rest(lane):
        futures = chain(tmp_path, 10)
        assert futures[5].cancel() is True
    assert [f.result(WAIT) for f in futures[:5]] == [1, 2, 3, 4, 5]
    assert isinstance(futures[9].exception(WAIT), DependencyError)
    assert set(how_often(tmp_path)) == set(range(5))
    assert not lane.calls_ahead.calls and not lane.live


def test_links_behind_busy_workers(kernel: Any, tmp_path: Path) -> None:
    """Sent after a call that runs long, handed back, and run when there is a worker."""
    lane = lane_of(kernel)
    with occupied(lane, tmp_path, 1):
        futures = chain(tmp_path, 100)
        assert futures[-1].result(WAIT) == 100, "the other worker has time"
    assert how_often(tmp_path) == dict.fromkeys(range(100), 1)


# ---------------------------------------------------------------- values


def test_large_results_on_the_way() -> None:
    @python_app
    def grow(x: bytes, size: int) -> bytes:
        return bytes([x[0] + 1]) * size

    x: Any = bytes(10)
    for i in range(40):
        x = grow(x, 300_000 if i % 7 == 3 else 10)
    ends = [grow(x, 5), grow(x, 400_000), value(x)]
    assert [len(f.result(WAIT)) for f in ends] == [5, 400_000, 10]
    assert [f.result()[0] for f in ends] == [41, 41, 40]


@pytest.mark.parametrize("size", [3, 200_000])
def test_each_dependent_has_a_copy_of_its_own(config_name: str, size: int) -> None:
    if config_name == "threads":
        pytest.skip("threads share objects, as Parsl's do")

    @python_app
    def fresh(size: int) -> list[int]:
        return [0] * size

    @python_app
    def spoil(numbers: list[int], mark: int) -> list[int]:
        seen = set(numbers)
        for i in range(len(numbers)):
            numbers[i] = mark
        return [*sorted(seen), len(numbers)]

    source = fresh(size)
    spoilt = [spoil(source, mark) for mark in range(1, 20)]
    assert [f.result(WAIT) for f in spoilt] == [[0, size]] * 19
    again = fresh(size)
    third = [spoil(again, 1), spoil(again, 2), value(again)]
    assert set(third[2].result(WAIT)) == {0} and set(again.result(WAIT)) == {0}
    assert [f.result(WAIT) for f in third[:2]] == [[0, size]] * 2


def test_a_link_may_return_what_it_was_given(config_name: str) -> None:
    @python_app
    def push(items: list[int], x: int) -> list[int]:
        if x % 2:
            items = [*items]
        items.append(x)
        return items

    items: Any = value([])
    steps = []
    for i in range(60):
        items = push(items, i)
        steps.append(items)
    assert items.result(WAIT) == list(range(60))
    if config_name != "threads":  # these share objects
        assert [f.result(WAIT) for f in steps] == [list(range(i + 1)) for i in range(60)]


def test_futures_wherever_they_are() -> None:
    @python_app
    def collect(a: Any, named: Any = None, inputs: Any = ()) -> list[Any]:
        return [
            [f.result() + f for f in a["list"]],
            {k: v + 1 for k, v in a["dict"].items()},
            [type(f).__name__ for f in a["list"]],
            sorted(f.result() for f in a["set"]),
            {f.result() for f in a["keys"]},
            named,
            sum(inputs[:2]) + inputs[2][0],
        ]

    for round in range(5):
        one, two = increment(round), increment(increment(round))
        found = collect(
            {"list": [one, two], "dict": {"x": one}, "set": {one, two}, "keys": {two: 1}},
            named=two,
            inputs=[one, two, [one]],
        )
        n = round + 1
        assert found.result(WAIT) == [
            [2 * n, 2 * n + 2],
            {"x": n + 1},
            ["FinishedFuture"] * 2,
            [n, n + 1],
            {n + 1},
            n + 1,
            3 * n + 1,
        ]


def test_stand_ins_in_a_chain() -> None:
    @python_app
    def first_of(futures: Any) -> int:
        assert futures[0].done() and futures[0].exception() is None
        return int(futures[0].result() + 1)

    x: Any = increment(0)
    for _ in range(100):
        x = first_of([x])
    assert x.result(WAIT) == 101


def test_cached_links(tmp_path: Path) -> None:
    @python_app(cache=True)
    def remembered(folder: str, x: int) -> int:
        with open(f"{folder}/runs", "a") as file:
            file.write(f"{x} 0\n")
        return x + 1

    for _ in range(2):
        x: Any = 0
        for _ in range(30):
            x = remembered(str(tmp_path), x)
        assert x.result(WAIT) == 30
        mixed: Any = increment(remembered(str(tmp_path), increment(2)))
        assert mixed.result(WAIT) == 5
    assert how_often(tmp_path) == dict.fromkeys(range(30), 1)


def test_links_with_an_output_file(tmp_path: Path) -> None:
    @bash_app
    def say(x: Any, stdout: Any = None) -> str:
        return f"echo said {x}"

    @python_app
    def number(path: str, before: int, outputs: Any = ()) -> int:
        return int(open(path).read().split()[1]) + 1 + before

    x: Any = 0
    for i in range(4):
        path = str(tmp_path / f"out{i}")
        x = number(path, say(x, stdout=path))
    assert x.result(WAIT) == 4
    assert [text_of(tmp_path / f"out{i}") for i in range(4)] == [f"said {i}\n" for i in range(4)]


def test_an_error_in_sending_ahead_is_that_of_the_call(config_name: str) -> None:
    if config_name == "threads":
        pytest.skip("threads share objects")
    import threading

    from parsl_on_dask.serialize.errors import SerializationError

    future = add(increment(1), b=threading.Lock())
    with pytest.raises(SerializationError, match="'b'"):
        future.result(WAIT)


def test_random_graphs(tmp_path: Path) -> None:
    """Chains, joins, repeated use, and large values, in an order that nobody chose."""
    import random

    @python_app
    def node(folder: str, i: int, size: int, parents: list[Any], direct: Any = b"") -> bytes:
        with open(f"{folder}/runs", "a") as file:
            file.write(f"{i} 0\n")
        total = sum(int(p.result()[:8]) for p in parents) + (int(direct[:8]) if direct else 0) + 1
        return (b"%08d" % (total % 10**8)).ljust(size, b".")

    chance = random.Random(7)
    futures: list[Any] = []
    totals: list[int] = []
    for i in range(400):
        chosen = [chance.randrange(max(0, i - 8), i) for _ in range(chance.randrange(3))] if i else []
        direct = chance.randrange(i) if i and chance.random() < 0.5 else None
        size = 100_000 if chance.random() < 0.03 else 8
        more = {} if direct is None else {"direct": futures[direct]}
        futures.append(node(str(tmp_path), i, size, [futures[c] for c in chosen], **more))
        totals.append((sum(totals[c] for c in chosen) + (totals[direct] if direct is not None else 0) + 1) % 10**8)
    assert [int(f.result(WAIT)[:8]) for f in futures] == totals
    assert how_often(tmp_path) == dict.fromkeys(range(400), 1)


# ---------------------------------------------------------------- a resolver of one's own


class Boxed:
    """Something that only a resolver of the script's own can look into."""

    def __init__(self, future: Any) -> None:
        self.future = future


@pytest.fixture
def kernel_with_own_resolver(make_config: Callable[..., Any], make_executor: Callable[..., Any]) -> Any:
    from parsl_on_dask import DataFlowKernel

    def unwrap(argument: Any) -> Any:
        if isinstance(argument, Boxed):
            return argument.future.result()
        return argument.result() if isinstance(argument, concurrent.futures.Future) else argument

    def gather(argument: Any) -> Any:
        if isinstance(argument, Boxed):
            return [argument.future]
        return [argument] if isinstance(argument, concurrent.futures.Future) else []

    resolver = DependencyResolver(traverse_to_gather=gather, traverse_to_unwrap=unwrap)
    own = DataFlowKernel(
        make_config(
            executors=[make_executor(label="own")],
            dependency_resolver=resolver,
            initialize_logging=False,
        )
    )
    yield own
    own.cleanup()


def test_a_resolver_that_waits(kernel_with_own_resolver: Any) -> None:
    app = python_app(lambda x: x + 1, data_flow_kernel=kernel_with_own_resolver)
    x: Any = app(0)
    for i in range(100):
        x = app(Boxed(x) if i % 2 else x)
    assert x.result(WAIT) == 101
