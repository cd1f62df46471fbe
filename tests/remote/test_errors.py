"""An exception arrives as what it was, as far as that can be."""

from __future__ import annotations

import threading
import traceback
from typing import Any

from parsl_on_dask.app.errors import AppTimeout, BashExitFailure, RemoteException
from parsl_on_dask.lanes.failures import unpack_error
from parsl_on_dask.remote.errors import Failure, pack_error
from parsl_on_dask.remote.packing import dumps, loads


def sent(error: BaseException) -> BaseException:
    return unpack_error(loads(dumps(pack_error(error))))


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as e:
        return e


def test_type_text_and_frames() -> None:
    arrived = sent(raised(KeyError("k")))
    assert type(arrived) is KeyError and arrived.args == ("k",)
    assert "in raised" in "".join(traceback.format_exception(arrived))


def test_causes_come_along() -> None:
    arrived = sent(raised(ValueError("late"), raised(OSError(2, "early"))))
    assert isinstance(arrived.__cause__, OSError) and arrived.__cause__.errno == 2


def test_a_failure_becomes_the_class_that_it_names() -> None:
    arrived = sent(raised(Failure("BashExitFailure", "sort_file", 2), OSError("x")))
    assert isinstance(arrived, BashExitFailure) and arrived.exitcode == 2
    assert isinstance(arrived.__cause__, OSError)
    assert isinstance(sent(Failure("AppTimeout", "f", 3)), AppTimeout)


class NeedsTwo(Exception):
    def __init__(self, a: Any, b: Any) -> None:
        super().__init__(f"{a} and {b}")
        self.lock = threading.Lock()
        self.first = a


def test_a_constructor_of_its_own_and_an_attribute_that_stays_behind() -> None:
    arrived = sent(raised(NeedsTwo(1, 2)))
    assert isinstance(arrived, NeedsTwo)
    assert str(arrived) == "1 and 2" and arrived.first == 1
    assert not hasattr(arrived, "lock")


def test_what_does_not_survive_pickling_is_shown_as_text() -> None:
    class Anchored(Exception):
        lock = threading.Lock()

    arrived = sent(raised(Anchored("in place")))
    assert isinstance(arrived, RemoteException)
    assert "Anchored" in str(arrived) and "in place" in str(arrived) and "in raised" in str(arrived)


def test_an_endless_chain_ends() -> None:
    error: BaseException = ValueError(0)
    for i in range(1, 100):
        error = raised(ValueError(i), error)
    arrived: BaseException | None = sent(error)
    length = 0
    while arrived is not None:
        arrived, length = arrived.__cause__, length + 1
    assert length == 21, "a chain of twenty causes"
