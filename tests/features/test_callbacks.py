"""Done-callbacks and retry handlers may call apps and wait for them, and harm nobody, whatever they do."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import File, bash_app, join_app, python_app
from tests.helpers import WAIT, eventually

WARM = True


@python_app
def one(x: Any) -> Any:
    return x


@python_app
def fail(text: str) -> None:
    raise ValueError(text)


@python_app
def held(gate: str) -> None:
    import os
    import time

    while not os.path.exists(gate):
        time.sleep(0.002)


class TestWaiting:
    @pytest.fixture(autouse=True)
    def _loaded(self, kernel: Any) -> None:
        self.kernel = kernel

    def test_a_callback_waits_for_an_app_that_it_calls(self) -> None:
        got: list[Any] = []
        f = one(3)
        f.add_done_callback(lambda f: got.append(one(f.result() + 1).result(WAIT)))
        eventually(lambda: got == [4], "the callback")

    def test_many_do_and_others_go_on_meanwhile(self) -> None:
        got: list[Any] = []
        for i in range(12):
            one(i).add_done_callback(lambda f: got.append(one(one(f.result())).result(WAIT)))
        assert one("other").result(WAIT) == "other"
        eventually(lambda: sorted(got) == list(range(12)), "all callbacks")

    def test_a_callback_that_stands_still(self) -> None:
        gate = threading.Event()
        held = one(1)
        held.add_done_callback(lambda _: gate.wait(WAIT))
        assert [one(i).result(WAIT) for i in range(20)] == list(range(20))
        seen: list[int] = []
        one(2).add_done_callback(lambda f: seen.append(f.result()))
        eventually(lambda: seen == [2], "the next callback")
        gate.set()
        assert self.kernel.callbacks.wait(WAIT)

    def test_one_of_a_file_to_be_made(self, tmp_path: Path) -> None:
        @bash_app
        def make(outputs: Any = ()) -> str:
            return f"echo 1 > {outputs[0]}"

        got: list[Any] = []
        made = make(outputs=[File(str(tmp_path / "made"))]).outputs[0]
        made.add_done_callback(lambda f: got.append(one(f.result().filepath).result(WAIT)))
        eventually(lambda: got == [str(tmp_path / "made")], "the callback")

    def test_one_of_a_join_and_of_a_part(self) -> None:
        @join_app
        def both() -> Any:
            return [one([1, 2]), one([3, 4])]

        got: list[Any] = []
        joined = both()
        joined.add_done_callback(lambda f: got.append(one(f.result()).result(WAIT)))
        joined[1].add_done_callback(lambda f: got.append(one(f.result()).result(WAIT)))
        eventually(lambda: sorted(got, key=len) == [[[1, 2], [3, 4]], [3, 4]] or len(got) == 2, "the callbacks")
        assert [[1, 2], [3, 4]] in got and [3, 4] in got

    def test_one_of_an_executor_without_apps(self) -> None:
        executor = next(e for label, e in self.kernel.executors.items() if not label.startswith("_"))
        got: list[Any] = []
        future = executor.submit(pow, {}, 2, 5)
        future.add_done_callback(lambda f: got.append(executor.submit(pow, {}, f.result(), 2).result(WAIT)))
        eventually(lambda: got == [1024], "the callback")

    def test_callbacks_of_a_future_in_their_order(self, gate: str) -> None:
        seen: list[int] = []
        f = one(held(gate))
        for i in range(10):
            f.add_done_callback(lambda _, i=i: seen.append(i))
        Path(gate).touch()
        eventually(lambda: len(seen) == 10, "all callbacks")
        assert seen == list(range(10))

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), ValueError()], ids=repr)
    def test_whatever_one_raises(self, error: BaseException, gate: str) -> None:
        def stop(_: Any) -> None:
            raise error

        after = [app(x) for app, x in ((one, held(gate)), (fail, held(gate)))]
        for f in after:
            f.add_done_callback(stop)
        Path(gate).touch()
        for f in after:
            f.exception(WAIT)
        assert [one(i).result(WAIT) for i in range(10)] == list(range(10))

    def test_one_that_sys_exits_on_a_future_that_is_done_leaves_there(self) -> None:
        f = one(1)
        f.result(WAIT)
        with pytest.raises(SystemExit):
            f.add_done_callback(lambda _: sys.exit(3))

    def test_one_cancels_another_task(self) -> None:
        waiting = one(Future())
        f = one(1)
        f.add_done_callback(lambda _: waiting.cancel())
        eventually(waiting.done, "the cancelled task")
        assert waiting.cancelled()
