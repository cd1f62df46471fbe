"""Copies of values on the cluster: each call may change its own, and equal ones cost little."""

from __future__ import annotations

import gc
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy
import pytest

from parsl_on_dask.remote import copies
from parsl_on_dask.remote.copies import Copies

LARGE = 2_000_000


def array() -> Any:
    return numpy.arange(LARGE, dtype="uint8")


def turned() -> Any:
    return numpy.asfortranarray(array().reshape(2000, -1))


def of_times() -> Any:
    return numpy.arange(LARGE // 8).astype("datetime64[s]")


def in_a_container() -> Any:
    return {"a": array(), "b": [array(), 7]}


def small() -> Any:
    return numpy.arange(10)


def first(value: Any) -> Any:
    return value["a"] if isinstance(value, dict) else value


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return equal(one["a"], other["a"]) and equal(one["b"][0], other["b"][0]) and one["b"][1] == other["b"][1]
    return bool((one == other).all()) and one.dtype == other.dtype and one.strides == other.strides


def files() -> int:
    """How many files in memory this process has open. A copy may keep its own open, too."""
    found = set()
    for number in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):  # that of the listing
            if "parsl-copies" in os.readlink(f"/proc/self/fd/{number}"):
                found.add(os.fstat(number).st_ino)
    return len(found)


@pytest.fixture(autouse=True)
def nothing_is_kept() -> Any:
    yield
    copies.kept.known.clear()


@pytest.mark.parametrize("calls", [1, 3])
@pytest.mark.parametrize("make", [array, turned, of_times, in_a_container, small])
def test_what_one_call_changes_no_other_sees(make: Callable[[], Any], calls: int) -> None:
    value = make()
    given = [Copies([value], calls)[0] for _ in range(3)]
    assert all(equal(each, make()) for each in given)
    first(given[0])[:] = first(given[0])[::-1].copy()
    assert not equal(given[0], make())
    assert equal(given[1], make()) and equal(given[2], make())
    del given[0]
    assert equal(given[0], make())


def test_a_copy_outlives_its_value_and_its_shift() -> None:
    mine = Copies([array()], 2)[0]
    copies.kept.sweep(now=1e18)
    gc.collect()
    assert equal(mine, array())
    del mine
    assert files() == 0


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux has files in memory")
class TestFiles:
    def test_one_serves_all_calls_and_all_shifts_of_a_moment(self) -> None:
        value = array()
        shifts = [Copies([value], 2) for _ in range(3)]
        given = [shift[0] for shift in shifts for _ in range(2)]
        assert files() == 1
        assert len(given) == 6

    def test_a_single_call_needs_none_before_the_value_is_asked_for_again(self) -> None:
        value = array()
        assert Copies([value], 1)[0] is not value
        assert files() == 0
        assert equal(Copies([value], 1)[0], value)
        assert files() == 1

    def test_another_value_in_the_place_of_one_that_has_gone_is_another(self) -> None:
        value = array()
        Copies([value], 2)[0]
        known = copies.kept.known.pop(id(value))
        other = array() + 1
        copies.kept.known[id(other)] = known
        del value
        assert equal(Copies([other], 2)[0], other)

    def test_it_is_closed_when_nobody_has_asked_for_a_while(self) -> None:
        value, container = array(), in_a_container()
        shift = Copies([value, container], 2)
        shift[0], shift[1]
        assert files() == 2
        del shift
        assert files() == 1  # a container is not recognised
        asked = copies.kept.known[id(value)][2]
        copies.kept.sweep(now=asked + copies.KEPT / 2)
        assert files() == 1
        copies.kept.sweep(now=asked + copies.KEPT)
        assert files() == 0

    def test_it_is_closed_when_the_value_has_gone(self) -> None:
        value = array()
        Copies([value], 2)[0]
        del value
        copies.kept.sweep(now=0.0)
        assert files() == 0

    def test_none_is_made_for_what_is_small_or_cannot_be_changed(self) -> None:
        fixed = array()
        fixed.flags.writeable = False
        for value in (small(), b"x" * LARGE, fixed, [1] * 10):
            given = Copies([value], 2)[0]
            assert bytes(given) == bytes(value)
        assert files() == 0
        assert Copies([fixed], 2)[0].flags.writeable

    def test_a_plain_copy_is_made_where_no_more_can_be_mapped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        value = array()
        shift = Copies([value], 2)
        shift[0]

        def refuse(*_: Any, **__: Any) -> Any:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(mmap, "mmap", refuse)
        given = shift[0]
        assert equal(given, value) and given is not value

    def test_plain_copies_are_made_where_there_is_no_room_for_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "pwrite", refuse)
        value = array()
        given = Copies([value], 2)[0]
        assert equal(given, value) and given is not value
        gc.collect()
        assert files() == 0


def test_plain_copies_are_made_where_there_are_no_such_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    value = array()
    given = Copies([value], 2)[0]
    given[0] = 9
    assert value[0] == 0


def test_a_value_that_cannot_be_copied_is_given_itself() -> None:
    locked = Unwilling()
    assert Copies([locked], 2)[0] is locked


class Unwilling:
    def __reduce__(self) -> Any:
        raise TypeError("not this one")
