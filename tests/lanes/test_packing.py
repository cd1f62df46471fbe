"""Functions in pickled form: how many are kept, and for how long."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from parsl_on_dask.lanes import packing
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.packing import Packer
from parsl_on_dask.remote.packing import loads


def packed(packer: Packer, function: Any) -> Call:
    call = Call("app", function, (), {}, {}, print)
    packer.pack(call)
    return call


def function_with(data: bytes) -> Any:
    return lambda: data


def test_functions_go_with_the_last_reference() -> None:
    packer = Packer("processes", None)  # type: ignore[arg-type]
    for n in range(50):
        assert loads(packed(packer, function_with(bytes([n]) * 10_000)).packed or b"")() == bytes([n]) * 10_000
    gc.collect()
    assert packer.kept() == (0, 0)


def test_a_function_is_pickled_once_while_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    packer = Packer("processes", None)  # type: ignore[arg-type]
    function = function_with(b"x")
    calls = [packed(packer, function) for _ in range(3)]
    assert packer.knows(function) and not packer.knows(function_with(b"x"))
    assert calls[0].packed is calls[2].packed
    assert packer.kept()[0] == 1


def test_those_called_last_are_kept_up_to_a_limit_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "BYTES_KEPT", 100_000)
    packer = Packer("processes", None)  # type: ignore[arg-type]
    functions = [function_with(bytes([n]) * 30_000) for n in range(10)]
    calls = [packed(packer, function) for function in functions]
    count, size = packer.kept()
    assert 1 <= count <= 3 and size <= 100_000
    assert all(loads(call.packed or b"")()[0] == n for n, call in enumerate(calls)), "calls keep theirs"
    large = function_with(b"y" * 500_000)
    packed(packer, large)
    assert packer.knows(large)


class Slotted:
    __slots__ = ()

    def __call__(self) -> int:
        return 1


def test_callables_without_weak_references() -> None:
    packer = Packer("processes", None)  # type: ignore[arg-type]
    one = Slotted()
    packed(packer, one)
    assert packer.knows(one) and not packer.knows(Slotted())
