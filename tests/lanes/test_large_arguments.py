"""Large arguments travel once, and Dask has nothing to say about their size."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import warnings
from typing import Any

import dask
import numpy as np
import pytest

from parsl_on_dask import python_app
from parsl_on_dask.lanes import large_arguments
from parsl_on_dask.lanes.large_arguments import LARGE, LargeArguments, _digest, holds_large, without_size_warning
from tests.helpers import WAIT

WARM = True


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    """Threads get arguments by reference."""
    name: str = request.param
    return name


@pytest.fixture
def lane(kernel: Any) -> Any:
    found = next(iter(kernel.executors.values())).lane
    found.packer.large.clear()
    return found


@python_app
def total(a: Any, b: Any = 0, inputs: Any = ()) -> float:
    import numpy

    parts = [a, b, *inputs]
    found = 0.0
    while parts:
        part = parts.pop()
        if isinstance(part, (list, tuple)):
            parts.extend(part)
        elif isinstance(part, dict):
            parts.extend(part.values())
        else:
            found += float(numpy.sum(part))
    if isinstance(a, numpy.ndarray):
        a.fill(-1)  # what a call does to its argument is not seen by others
    return found


@python_app
def length(x: Any) -> int:
    return len(x)


@python_app
def same(a: Any, b: Any) -> bool:
    return a is b


def submissions(lane: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sent: list[int] = []
    submit = lane.client.submit

    def counting(function: Any, data: Any, **options: Any) -> Any:
        sent.append(len(data))
        return submit(function, data, **options)

    monkeypatch.setattr(lane.client, "submit", counting)
    return sent


def test_an_array_given_to_many_calls_travels_once(lane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = submissions(lane, monkeypatch)
    x = np.ones(LARGE // 4)
    calls = [total(x), total(x, b=x), total([x]), total({"k": [x]}), total(0, inputs=[x, (x,)]), total(b=x, a=0)]
    assert [f.result(WAIT) for f in calls] == [250_000, 500_000, 250_000, 250_000, 500_000, 250_000]
    assert len(sent) == 1
    assert same(x, x).result(WAIT) is True
    assert total(x).result(WAIT) == 250_000
    assert len(sent) == 1, "also for calls that come later"


def test_values_are_those_at_the_time_of_the_call(lane: Any) -> None:
    x = np.zeros(200_000)
    calls = []
    for n in range(5):
        x[0] = n
        calls.append(total(x))
    x[0] = 99
    assert [f.result(WAIT) for f in calls] == [0, 1, 2, 3, 4]


def test_texts_and_bytes(lane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = submissions(lane, monkeypatch)
    for large in ("s" * LARGE, b"s" * LARGE, bytearray(LARGE), "\udc80" * LARGE):
        assert [f.result(WAIT) for f in (length(large), length(large))] == [len(large)] * 2
    assert len(sent) == 4


def test_a_result_and_a_large_argument_go_together(lane: Any) -> None:
    made = python_app(lambda n: __import__("numpy").ones(n))(500_000)
    x = np.ones(500_000)
    assert total(made, b=x).result(WAIT) == 1e6
    assert total([made, x]).result(WAIT) == 1e6
    assert total(made).result(WAIT) == 500_000, "the call before has not changed it"


def test_dask_says_nothing_of_sizes(lane: Any, recwarn: pytest.WarningsRecorder) -> None:
    many_small = [str(n) * 20 for n in range(60_000, 160_000)]  # more than the 10 MB of which Dask warns
    assert length("s" * 12_000_000).result(WAIT) == 12_000_000
    assert length(many_small).result(WAIT) == 100_000
    assert not [w for w in recwarn if "large graph" in str(w.message)]


def test_what_the_user_sends_to_dask_is_still_warned_of(lane: Any, existing_client: Any) -> None:
    assert length("t" * 12_000_000).result(WAIT) == 12_000_000
    with pytest.warns(UserWarning, match="Sending large graph"):
        existing_client.submit(len, b"x" * 12_000_000)


def test_the_threshold_is_put_back_by_the_last_of_several() -> None:
    name = "distributed.admin.large-graph-warning-threshold"
    before, inside, leave = dask.config.get(name), threading.Barrier(3), threading.Event()

    def send() -> None:
        with without_size_warning():
            inside.wait(WAIT)
            leave.wait(WAIT)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        sending = [pool.submit(send) for _ in range(2)]
        inside.wait(WAIT)
        assert dask.config.get(name) != before
        leave.set()
        for f in sending:
            f.result(WAIT)
    assert dask.config.get(name) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(LARGE), np.ones(LARGE)),
        (np.zeros(LARGE, "i4"), np.zeros(LARGE, "f4")),
        (np.zeros((2, LARGE)), np.zeros((LARGE, 2))),
        (np.zeros((LARGE, 2), order="C"), np.zeros((LARGE, 2), order="F")),
        (np.zeros(LARGE, "M8[s]"), np.zeros(LARGE, "M8[ms]")),
        (b"x" * LARGE, "x" * LARGE),
        (b"x" * LARGE, bytearray(b"x" * LARGE)),
        (np.zeros((LARGE, 2))[::2], np.ones((LARGE, 2))[::2]),
    ],
)
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    assert _digest(one) != _digest(other)
    assert _digest(one) == _digest(one.copy(order="K") if hasattr(one, "flags") else type(one)(one))


def test_a_part_of_an_array_travels_without_the_rest(lane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = submissions(lane, monkeypatch)
    x = np.ones((1000, 1000))
    assert [f.result(WAIT) for f in (total(x[:, ::2]), total(x[:, ::2]))] == [500_000] * 2
    assert len(sent) == 1 and sent[0] < 5_000_000


def test_bytes_inside_of_objects_are_no_others(lane: Any) -> None:
    """An array that is unpickled may use the bytes in its pickle as its memory."""
    x = np.ones((1000, 1000)).view(np.matrix)[:, ::2]
    calls = [total(a) for a in (x, x, x)]
    assert [f.result(WAIT) for f in calls] == [500_000] * 3


class Makes:
    """Makes an array each time it is pickled, which nobody else keeps."""

    def __init__(self, fill: float) -> None:
        self.fill = fill

    def __reduce__(self) -> Any:
        return (list, ([np.full(LARGE, self.fill)],))


def test_arrays_that_are_made_while_others_are_pickled(lane: Any) -> None:
    made = python_app(lambda xs: [float(x[0][0]) for x in xs])
    assert made([Makes(n) for n in range(3)]).result(WAIT) == list(range(3))


def test_what_shows_at_once() -> None:
    x = np.zeros(LARGE)
    assert holds_large([1, x]) and holds_large([[x]]) and holds_large([{"a": x}])
    assert not holds_large([1, "text", [2], np.zeros(2), np.array([None] * LARGE)])


class FakeClient:
    def __init__(self) -> None:
        self.made = 0

    def submit(self, *_: Any, **__: Any) -> Any:
        self.made += 1
        return type("Future", (), {"status": "finished"})()


def test_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = 9 * LARGE
    monkeypatch.setattr(large_arguments, "KEPT", kept)
    client: Any = FakeClient()
    large = LargeArguments("x", client)
    for n in range(5):
        large.shared(bytes([n]) * (kept // 3))
    assert large.size <= kept and len(large.kept) == 2
    lost = large.shared(bytes([4]) * (kept // 3))
    assert lost is not None and client.made == 5
    lost.future.status = "error"
    assert large.shared(bytes([4]) * (kept // 3)) is not lost, "a value that was lost is sent again"
    large.clear()
    assert not large.kept


def test_a_client_that_fails_is_the_call_s_trouble(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def submit(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("closed")

    broken: Any = Broken()
    with caplog.at_level(logging.DEBUG, "parsl"), warnings.catch_warnings():
        assert LargeArguments("x", broken).shared(b"x" * LARGE) is None
    assert "not shared" in caplog.text
