"""Walltime of Python functions."""

from __future__ import annotations

import functools
import pickle
import random
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from parsl_on_dask import bash_app, python_app
from parsl_on_dask.app.errors import AppTimeout
from parsl_on_dask.app.python import timeout
from parsl_on_dask.remote import walltime
from parsl_on_dask.remote.errors import Failure, pack_error
from tests import interpreters
from tests.app.fake import BARE_WORKER


def spin(seconds: float, result: Any = 7) -> Any:
    """Be busy."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return result


def in_thread(call: Any) -> Any:
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(call())
        except BaseException as e:
            outcome.append(e)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=20)
    return outcome[0]


def test_in_time() -> None:
    assert timeout(spin, 30)(0.001, result=8) == 8
    assert in_thread(lambda: timeout(spin, 30)(0.001)) == 7
    with pytest.raises(ZeroDivisionError):
        timeout(lambda: 1 / 0, 30)()


@pytest.mark.parametrize("thread", [False, True])
def test_too_long(thread: bool) -> None:
    def call() -> Any:
        try:
            return timeout(spin, 0.1)(100)
        except Failure as e:
            return e

    e = in_thread(call) if thread else call()
    assert e.args == ("AppTimeout", "spin", 0.1)
    assert isinstance(e, AppTimeout) and str(e) == "App spin exceeded walltime: 0.1 seconds"
    frames = []
    tb = e.__traceback__
    while tb is not None:
        frames.append(tb.tb_frame.f_code.co_name)
        tb = tb.tb_next
    assert frames[-1] == "spin"


def test_it_looks_like_the_function() -> None:
    limited = timeout(spin, 1)
    assert (limited.__name__, limited.__module__, limited.__doc__) == ("spin", spin.__module__, "Be busy.")
    assert limited.__wrapped__ is spin
    assert timeout(functools.partial(spin, 0), 1).__name__ == "partial"
    assert timeout(spin, 1)(0, result="self") == "self"


def test_it_travels() -> None:
    back = pickle.loads(pickle.dumps(timeout(len, 5)))
    assert (back("abc"), back.seconds, back.__name__) == (3, 5, "len")


def test_what_a_worker_reports() -> None:
    with pytest.raises(Failure) as caught:
        timeout(spin, 0.05)(20)
    kind, args = pack_error(caught.value)["failure"]  # type: ignore[misc]
    assert kind == "AppTimeout" and pickle.loads(args) == ("spin", 0.05)
    assert type(pickle.loads(pickle.dumps(caught.value))) is Failure


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_time_at_all(seconds: float) -> None:
    with pytest.raises(AppTimeout):
        timeout(lambda: pytest.fail("was called"), seconds)()


def test_no_limit_to_speak_of() -> None:
    assert timeout(len, float("inf"))("ab") == 2


@pytest.mark.parametrize("seconds", ["60", b"60", None, object(), float("nan"), [3], 10**400])
def test_no_number(seconds: Any) -> None:
    with pytest.raises(TypeError, match="walltime of app spin must be a number of seconds.*write walltime=60"):
        timeout(spin, seconds)


def test_a_function_may_catch_it_to_tidy_up() -> None:
    def careful() -> str:
        try:
            spin(20)
        except AppTimeout:
            return "what I had"
        return "all"

    assert timeout(careful, 0.05)() == "what I had"


def test_a_function_that_fails_on_account_of_it() -> None:
    def failing() -> None:
        try:
            spin(20)
        except AppTimeout as e:
            raise ValueError("half done") from e

    with pytest.raises(ValueError, match="half done") as caught:
        timeout(failing, 0.05)()
    assert isinstance(caught.value.__cause__, AppTimeout)


def test_one_inside_the_other() -> None:
    with pytest.raises(AppTimeout, match="App spin exceeded walltime: 0.05 seconds"):
        timeout(timeout(spin, 0.05), 10)(20)
    with pytest.raises(AppTimeout, match="App spin exceeded walltime: 0.05 seconds"):
        timeout(timeout(spin, 10), 0.05)(20)


def test_a_blocking_call_ends_first() -> None:
    with pytest.raises(AppTimeout):
        timeout(time.sleep, 0.05)(0.2)


@pytest.fixture
def hasty_switches() -> Iterator[None]:
    """Threads take turns so often that a timer comes between any two steps of a call."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_switches")
def test_a_late_exception_never_hits_what_comes_next() -> None:
    chance = random.Random(1)
    counts = {"in time": 0, "too long": 0, "astray": 0}

    def many() -> None:
        for _ in range(100):
            limit = chance.uniform(0.0005, 0.002)
            try:
                try:
                    timeout(spin, limit)(limit + chance.uniform(-0.0004, 0.0004))
                    counts["in time"] += 1
                except AppTimeout:
                    counts["too long"] += 1
                for _ in range(300):
                    pass
            except AppTimeout:
                counts["astray"] += 1

    threads = [threading.Thread(target=many) for _ in range(3)]
    for thread in threads:
        thread.start()
    many()
    for thread in threads:
        thread.join(timeout=60)
    assert counts["astray"] == 0
    assert counts["in time"] + counts["too long"] == 400
    assert counts["too long"] > 0


def test_the_start_of_the_timer_is_not_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    start, went_on = threading.Thread.start, []

    def slowly(thread: threading.Thread) -> None:
        start(thread)
        spin(0.05)
        went_on.append(thread)

    monkeypatch.setattr(threading.Thread, "start", slowly)
    with pytest.raises(AppTimeout):
        timeout(spin, 0.001)(30.0)
    assert len(went_on) == 1


def test_a_request_that_comes_while_the_call_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    # the timer goes off at every single step of settle(), by way of a trace function
    def value() -> str:
        return "value"

    for step in range(40):
        limited = timeout(value, 30)
        watches: list[Any] = []
        create = walltime._Watch

        def make(*given: Any, create: Any = create, watches: list[Any] = watches) -> Any:
            watches.append(create(*given))
            return watches[-1]

        steps = iter(range(step + 1))

        def trace(
            frame: Any, event: str, arg: Any, steps: Any = steps, watches: list[Any] = watches, step: int = step
        ) -> Any:
            if frame.f_code.co_name == "settle" and event == "line" and next(steps, None) == step:
                fire = threading.Thread(target=_fire, args=(watches[0],))
                fire.start()
                fire.join()
            return trace

        monkeypatch.setattr(walltime, "_Watch", make)
        before = sys.gettrace()
        try:
            sys.settrace(trace)
            try:
                outcome: Any = limited()
            except AppTimeout as e:
                outcome = e
        finally:
            sys.settrace(before)
            monkeypatch.undo()
        assert outcome == "value" or isinstance(outcome, AppTimeout)
        for _ in range(100):
            pass


def _fire(watch: Any) -> None:
    try:
        watch._right_to_fire.pop()
    except IndexError:
        return
    watch.fired = True
    walltime._request(watch._ident, watch.kind)
    watch._requested = True


def test_no_threads_stay() -> None:
    before = threading.active_count()
    for _ in range(20):
        timeout(len, 100)("")
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_where_the_package_is_not_installed() -> None:
    script = BARE_WORKER + (
        "from parsl_on_dask.remote import walltime\n"
        "from parsl_on_dask.remote.shell import run_bash\n"
        "def f():\n"
        "    while True: pass\n"
        "try: walltime.timeout(f, 0.05)()\n"
        "except walltime.Failure as e: print(type(e).__name__, e)\n"
        "print(run_bash(lambda: 'true'))\n"
    )
    done = interpreters.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["WalltimeOver App f exceeded walltime: 0.05 seconds", "0"], done.stderr


@pytest.mark.parametrize("decorator", [python_app, bash_app])
@pytest.mark.parametrize("seconds", ["60", float("nan"), [3]])
def test_what_is_no_number_is_refused_at_the_call(decorator: Any, seconds: Any) -> None:
    @decorator
    def app(walltime: Any = None) -> str:
        return "exit 0"

    with pytest.raises(TypeError, match="walltime of app app must be a number of seconds.*write walltime=60"):
        app(walltime=seconds)
