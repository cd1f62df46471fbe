"""A light future is a ``concurrent.futures.Future``: same answers, also when many threads ask at the same moment."""

from __future__ import annotations

import concurrent.futures
import inspect
import random
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError, as_completed
from concurrent.futures import _base as theirs
from typing import Any

import pytest

from parsl_on_dask.python_internals import light_future as lightfuture
from parsl_on_dask.python_internals.light_future import LightFuture
from tests.helpers import WAIT, eventually

MANY = 2000


def together(*parts: Callable[[], None]) -> None:
    """Run functions in threads that begin at the same moment; what one raises fails the test."""
    start = threading.Barrier(len(parts))
    errors: list[BaseException] = []

    def run(part: Callable[[], None]) -> None:
        try:
            start.wait(WAIT)
            part()
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=run, args=(part,), daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive(), "a thread waits for a future that is done"
    if errors:
        raise errors[0]


@pytest.fixture
def quick_switches() -> Any:
    """Threads take turns a thousand times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


# ---------------------------------------------------------------- many threads


def shuffled(items: list[Any]) -> list[Any]:
    return random.sample(items, len(items))


@pytest.mark.usefixtures("quick_switches")
def test_nobody_misses_a_result() -> None:
    futures: list[Any] = [LightFuture() for _ in range(MANY)]
    numbers = {id(f): i for i, f in enumerate(futures)}
    calls: list[list[int]] = [[] for _ in futures]
    completed: list[Any] = []
    waited: list[Any] = []
    results: dict[int, int] = {}

    def finish() -> None:
        for i, future in enumerate(futures):
            future.set_result(i)

    def add_callbacks() -> None:
        for i, future in enumerate(futures):
            future.add_done_callback(lambda f, i=i: calls[i].append(f.result(0)))

    def take_as_completed() -> None:
        completed.extend(as_completed(futures, timeout=WAIT))

    def wait_for_all() -> None:
        waited.append(concurrent.futures.wait(futures, timeout=WAIT))

    def wait_for_the_first() -> None:
        left = set(futures)
        while left:
            done, left = concurrent.futures.wait(left, WAIT, return_when=concurrent.futures.FIRST_COMPLETED)
            assert done

    def ask() -> None:
        for future in shuffled(futures):
            results[numbers[id(future)]] = future.result(WAIT)

    together(
        *(finish, add_callbacks, add_callbacks, take_as_completed, wait_for_all, wait_for_the_first, ask, ask),
    )
    assert calls == [[i, i] for i in range(MANY)], "each callback once, with the result"
    assert len(completed) == MANY and {id(f) for f in completed} == set(numbers)
    assert len(waited[0].done) == MANY and not waited[0].not_done
    assert results == {i: i for i in range(MANY)}


@pytest.mark.usefixtures("quick_switches")
def test_callbacks_are_called_once_however_late_they_come() -> None:
    """Where the race is closest: two threads per future, nothing else."""
    calls = [0] * MANY
    futures: list[LightFuture[int]] = [LightFuture() for _ in range(MANY)]
    barrier = threading.Barrier(2)

    def count(i: int) -> None:
        calls[i] += 1

    def finish() -> None:
        for i, future in enumerate(futures):
            barrier.wait(WAIT)
            future.set_result(i)

    def add() -> None:
        for i, future in enumerate(futures):
            barrier.wait(WAIT)
            future.add_done_callback(lambda f, i=i: count(i))  # type: ignore[misc]
            if i % 3 == 0:
                assert future.result(WAIT) == i  # makes the condition

    together(finish, add)
    assert calls == [1] * MANY


def test_many_threads_that_begin_to_wait_at_once_wait_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class SlowToMake(lightfuture._Waited):
        __slots__ = ()

        def __init__(self) -> None:
            time.sleep(0.001)  # the others come in
            super().__init__()

    monkeypatch.setattr(lightfuture, "_Waited", SlowToMake)
    for i in range(20):
        future: LightFuture[int] = LightFuture()
        seen: list[int] = []

        def wait(future: LightFuture[int] = future, seen: list[int] = seen) -> None:
            seen.append(future.result(10))

        def add(future: LightFuture[int] = future, seen: list[int] = seen) -> None:
            future.add_done_callback(lambda f: seen.append(f.result(0)))

        def finish(future: LightFuture[int] = future, i: int = i) -> None:
            time.sleep(0.002)
            future.set_result(i)

        together(wait, wait, add, wait, add, wait, finish)
        assert seen == [i] * 6


@pytest.mark.usefixtures("quick_switches")
def test_only_one_thread_can_finish_or_cancel_it() -> None:
    futures: list[LightFuture[str]] = [LightFuture() for _ in range(MANY)]
    won: list[list[str]] = [[] for _ in futures]

    def setter(name: str) -> Callable[[], None]:
        def run() -> None:
            for i, future in enumerate(futures):
                try:
                    future.set_result(name)
                except InvalidStateError:
                    continue
                won[i].append(name)

        return run

    def canceller() -> None:
        for i, future in enumerate(futures):
            if future.cancel():
                won[i].append("cancelled")

    together(setter("a"), setter("b"), canceller)
    assert [len(winners) for winners in won] == [1] * MANY
    for future, (winner,) in zip(futures, won, strict=True):
        if winner == "cancelled":
            assert future.cancelled()
        else:
            assert future.result(0) == winner


# ---------------------------------------------------------------- one thread


@pytest.fixture(params=[False, True], ids=["nobody waits", "somebody waited"])
def future(request: pytest.FixtureRequest) -> LightFuture[Any]:
    made: LightFuture[Any] = LightFuture()
    if request.param:
        with pytest.raises(concurrent.futures.TimeoutError):
            made.result(0)
    return made


def test_a_second_result_is_refused(future: LightFuture[Any]) -> None:
    future.set_result(1)
    again: Any
    for again in (lambda: future.set_result(2), lambda: future.set_exception(ValueError())):
        with pytest.raises(InvalidStateError):
            again()
    assert future.result() == 1 and future.exception() is None and future.done() and not future.running()


def test_an_exception(future: LightFuture[Any]) -> None:
    error = ValueError("x")
    seen: list[Any] = []
    future.add_done_callback(lambda f: seen.append(f.exception()))
    future.set_exception(error)
    assert seen == [error] and future.exception() is error
    with pytest.raises(ValueError, match="x"):
        future.result()
    with pytest.raises(InvalidStateError):
        future.set_result(1)


def test_cancel(future: LightFuture[Any]) -> None:
    seen: list[Any] = []
    future.add_done_callback(seen.append)
    assert future.cancel() and future.cancel() and future.cancelled() and future.done()
    assert seen == [future]
    assert future.set_running_or_notify_cancel() is False
    for ask in (future.result, future.exception):
        with pytest.raises(CancelledError):
            ask()
    with pytest.raises(InvalidStateError):
        future.set_result(1)
    assert concurrent.futures.wait([future], 0).done == {future}
    same: list[Any] = [future]
    assert list(as_completed(same, 0)) == same


def test_one_that_runs_cannot_be_cancelled(future: LightFuture[Any]) -> None:
    assert future.set_running_or_notify_cancel() and future.running()
    assert not future.cancel() and not future.done()
    future.set_result(1)
    assert not future.cancel() and future.result() == 1


def test_a_finished_one_cannot_be_cancelled(future: LightFuture[Any]) -> None:
    future.set_result(1)
    assert not future.cancel() and not future.cancelled()


def test_timeouts(future: LightFuture[Any]) -> None:
    anything: Any = future
    for ask in (future.result, future.exception):
        with pytest.raises(concurrent.futures.TimeoutError):
            ask(0.01)
    with pytest.raises(concurrent.futures.TimeoutError):
        next(as_completed([anything], 0.01))
    assert concurrent.futures.wait([future], 0.01).not_done == {future}
    future.set_result(5)
    assert future.result(0) == 5


def test_a_callback_that_raises_stops_no_other(future: LightFuture[Any]) -> None:
    seen: list[Any] = []
    future.add_done_callback(lambda f: 1 / 0)
    future.add_done_callback(seen.append)
    future.set_result(1)
    future.add_done_callback(lambda f: 1 / 0)
    future.add_done_callback(seen.append)
    assert seen == [future, future]


def test_a_callback_may_use_the_future_and_others(future: LightFuture[Any]) -> None:
    other: LightFuture[Any] = LightFuture()
    seen: list[Any] = []

    def callback(f: Future[Any]) -> None:
        f.add_done_callback(lambda f: seen.append(f.result()))
        other.set_result(f.result() + 1)

    future.add_done_callback(callback)
    future.set_result(1)
    assert seen == [1] and other.result(0) == 2


def test_many_threads_wait_for_one(future: LightFuture[Any]) -> None:
    seen: list[Any] = []
    waiting = [threading.Thread(target=lambda: seen.append(future.result(WAIT)), daemon=True) for _ in range(20)]
    for thread in waiting:
        thread.start()
    future.set_result(7)
    for thread in waiting:
        thread.join(WAIT)
    assert seen == [7] * 20


def test_it_mixes_with_other_futures() -> None:
    ours: list[Any] = [LightFuture() for _ in range(10)]
    others: list[Any] = [Future() for _ in range(10)]
    for i, f in enumerate([*ours, *others]):
        threading.Timer(0.001 * i, f.set_result, (i,)).start()
    assert sorted(f.result() for f in as_completed([*ours, *others], WAIT)) == list(range(20))


def test_callbacks_are_forgotten_with_what_they_hold(future: LightFuture[Any]) -> None:
    seen: list[Any] = []
    future.add_done_callback(seen.append)
    future.set_result(1)
    future.forget_callbacks()
    assert not future._done_callbacks and seen == [future]
    future.add_done_callback(seen.append)
    assert seen == [future, future]


# ---------------------------------------------------------------- what it costs, and what it stands on


def test_nothing_is_made_for_futures_that_nobody_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(*_: Any) -> Any:
        raise AssertionError("nobody waits")

    monkeypatch.setattr(lightfuture, "_Waited", made)
    monkeypatch.setattr(threading, "Condition", made)
    seen: list[Any] = []
    for i in range(100):
        future: LightFuture[int] = LightFuture()
        future.add_done_callback(seen.append)
        assert not future.done() and not future.cancelled()
        if i % 2:
            future.set_result(i)
            assert future.result() == i
        else:
            future.set_exception(ValueError(str(i)))
            assert str(future.exception()) == str(i)
        future.forget_callbacks()
        assert set(vars(future)) <= {"_state", "_result", "_exception", "_done_callbacks"}
    assert len(seen) == 100


def test_nothing_is_made_for_futures_that_are_finished_when_others_are_waited_for() -> None:
    done, pending = LightFuture[int](), LightFuture[int]()
    done.set_result(1)
    waiter = threading.Thread(target=concurrent.futures.wait, args=([done, pending],), daemon=True)
    waiter.start()
    eventually(lambda: [*pending._waiters], "it waits")
    pending.set_result(2)
    waiter.join(WAIT)
    assert not waiter.is_alive() and "_waiters" not in vars(done) and not [*pending._waiters]
    assert {f.result() for f in as_completed([done, pending], WAIT)} == {1, 2}


def test_nobody_waits_on_a_condition_but_who_asks_for_one_result() -> None:
    """``wait`` and ``as_completed`` wait for events of their own."""
    futures: list[LightFuture[int]] = [LightFuture() for _ in range(10)]
    waiter = threading.Thread(target=concurrent.futures.wait, args=(futures,), daemon=True)
    waiter.start()
    eventually(lambda: all([*f._waiters] for f in futures), "it waits")
    for i, future in enumerate(futures):
        future.set_result(i)
    waiter.join(WAIT)
    assert not waiter.is_alive()
    assert all(f._waiters._real is None for f in futures)


def test_the_private_names_of_the_standard_library_are_there() -> None:
    """When this fails, the standard library has changed, and ``LightFuture`` has to follow."""
    ours = {"_condition", "_state", "_result", "_exception", "_waiters", "_done_callbacks"}
    plain: Any = Future()
    assert set(vars(plain)) == ours, "what __init__ sets, and LightFuture gives by its class instead"
    assert plain._state == theirs.PENDING == LightFuture._state
    assert plain._result is None and plain._exception is None
    assert plain._waiters == [*LightFuture._waiters] and plain._done_callbacks == []
    assert {theirs.PENDING, theirs.RUNNING, theirs.CANCELLED, theirs.CANCELLED_AND_NOTIFIED, theirs.FINISHED} == {
        *("PENDING", "RUNNING", "CANCELLED", "CANCELLED_AND_NOTIFIED", "FINISHED")
    }
    assert list(inspect.signature(vars(theirs.Future)["_invoke_callbacks"]).parameters) == ["self"]
    # what it asks of the condition
    used = set()
    for function in (*vars(theirs.Future).values(), theirs.wait, theirs.as_completed, *vars(theirs).values()):
        code = getattr(function, "__code__", None)
        if code is not None and "_condition" in code.co_names:
            names = code.co_names
            used |= {names[i + 1] for i, name in enumerate(names[:-1]) if name == "_condition"} & set(
                dir(threading.Condition)
            )
    for name in used | {"acquire", "release", "wait", "notify_all", "__enter__", "__exit__"}:
        assert hasattr(lightfuture._Waited, name) and hasattr(lightfuture._Over, name), name
    plain.set_running_or_notify_cancel()
    plain.set_result(1)
    assert plain._state == theirs.FINISHED and plain._result == 1


def test_a_forked_child_can_use_new_futures() -> None:
    """Whatever the parent's other threads are doing to futures at that moment."""
    program = """
        import os, signal, sys, threading
        from parsl_on_dask.python_internals.light_future import LightFuture

        over = threading.Event()

        def busy():
            while not over.is_set():
                future = LightFuture()
                future.add_done_callback(str)
                future.set_result(1)

        threads = [threading.Thread(target=busy, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        sys.setswitchinterval(1e-5)
        for _ in range(40):
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                future, seen = LightFuture(), []
                future.add_done_callback(seen.append)
                waited = LightFuture()
                threading.Timer(0.001, waited.set_result, (2,)).start()
                future.set_result(1)
                os._exit(0 if future.result() == 1 and seen == [future] and waited.result(10) == 2 else 1)
            if os.waitpid(pid, 0)[1] != 0:
                sys.exit("a child could not use its futures")
        over.set()
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=WAIT
    )
    assert done.returncode == 0, done.stderr


def test_lay_out() -> None:
    class Kind(LightFuture[Any]):
        pass

    lightfuture.lay_out(Kind())
    made = Kind()
    made.set_result(1)
    assert made.result() == 1 and list(vars(made)) == ["_result", "_exception", "_state"]
    alone = type("Alone", (LightFuture,), {})()
    vars(alone).update(vars(made), and_more=1, than=2, there=3, is_=4, room=5, for_=6)
    assert sys.getsizeof(vars(made)) < sys.getsizeof(vars(alone))
