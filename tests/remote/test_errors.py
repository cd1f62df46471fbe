"""An exception arrives as what it was, as far as that can be."""

from __future__ import annotations

import copyreg
import threading
import traceback
from typing import Any

from parsl_on_dask.app.errors import AppTimeout, BashExitFailure, RemoteException
from parsl_on_dask.lanes.failures import unpack_error
from parsl_on_dask.remote.errors import SHOWN, Failure, formatted, pack_error
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


LONG = 2_000_000


def chain_of(links: int, text: str) -> BaseException:
    error = None
    for _ in range(links):
        error = raised(ValueError(text), error)
    assert error is not None
    return error


def test_a_long_text_travels_once() -> None:
    error = raised(ValueError("x" * LONG))
    assert len(dumps(pack_error(error))) < LONG + 10 * SHOWN
    assert sent(error).args == ("x" * LONG,)


def test_long_texts_of_causes_travel_once_each() -> None:
    arrived: BaseException | None = chain_of(5, "x" * LONG)
    assert arrived is not None and len(dumps(pack_error(arrived))) < 5 * LONG + 50 * SHOWN
    arrived = sent(arrived)
    for _ in range(5):
        assert arrived is not None and arrived.args == ("x" * LONG,)
        arrived = arrived.__cause__
    assert arrived is None


def test_the_whole_text_where_nothing_else_has_it() -> None:
    class Stubborn(Exception):
        def __reduce__(self) -> Any:
            raise TypeError("no")

        def __str__(self) -> str:
            return "x" * LONG

    error = Stubborn(threading.Lock())
    arrived = sent(raised(error))
    assert isinstance(arrived, RemoteException)
    assert "x" * LONG in str(arrived)


def test_what_is_told_of_an_exception_is_as_python_tells_it_but_short() -> None:
    error = chain_of(2, "short")
    assert formatted(error, error.__traceback__) == "".join(traceback.format_exception(error))
    error = chain_of(3, "x" * LONG)
    text = formatted(error, error.__traceback__)
    assert len(text) < 4 * SHOWN and f"({LONG - SHOWN + len('ValueError: ') + 1} more characters)" in text
    assert text.count("The above exception was the direct cause") == 2


def test_what_copyreg_says_of_exceptions_does_not_count() -> None:
    """tblib, which Dask has at work in its workers, makes them from their arguments alone."""
    before = copyreg.dispatch_table.get(UnicodeDecodeError)
    copyreg.pickle(UnicodeDecodeError, lambda error: (UnicodeDecodeError.__new__, (UnicodeDecodeError, *error.args)))
    try:
        error = raised(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"))
        assert str(sent(error)) == str(error) and "position 0" in str(error)
    finally:
        del copyreg.dispatch_table[UnicodeDecodeError]
        if before is not None:
            copyreg.pickle(UnicodeDecodeError, before)
