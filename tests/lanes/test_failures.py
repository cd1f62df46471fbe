"""What a worker reported becomes the exception that a script sees."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from parsl_on_dask.common.app_errors import AppTimeout, BashExitFailure, RemoteException
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors.high_throughput.errors import AppExit, WorkerLost
from parsl_on_dask.lanes.failures import DAEMONIC, as_exception, each_its_own, from_failure, unpack_error
from parsl_on_dask.remote.errors import Failure, pack_error
from parsl_on_dask.serialize.errors import DeserializationError, SerializationError


class Strict(Exception):
    """Cannot be made from its args."""

    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


class Unpicklable(Exception):
    """Loses what it holds, and its text cannot be made without."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = lambda: None

    def __reduce__(self) -> Any:
        raise TypeError("not me")


class Bare(Exception):
    """Its text is made of what does not travel."""

    def __init__(self, *, code: Any) -> None:
        super().__init__()
        self.code = code

    def __str__(self) -> str:
        return f"code {self.code.name}"


def packed(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as e:
        return unpack_error(pack_error(e))


@pytest.mark.parametrize(
    ("kind", "args", "cls", "text"),
    [
        ("WorkerLost", ("w", "h", "it ran app 'a'"), WorkerLost, "it ran app 'a'"),
        ("AppExit", ("w", "h", "called sys.exit()"), AppExit, "called sys.exit"),
        ("SerializationError", ("app", "cannot be pickled"), SerializationError, "cannot be pickled"),
        ("DeserializationError", ("cannot be rebuilt",), DeserializationError, "cannot be rebuilt"),
        ("AppTimeout", ("slow", 3), AppTimeout, "App slow exceeded walltime: 3 seconds"),
        ("BashExitFailure", ("sort", 127), BashExitFailure, "127"),
    ],
)
def test_a_failure_becomes_the_class_that_it_names(kind: str, args: Any, cls: type, text: str) -> None:
    error = as_exception(kind, args)
    assert type(error) is cls and text in str(error)
    assert type(packed(Failure(kind, *args))) is cls


def notes_of(error: BaseException) -> str:
    """The notes of an exception. Python has them from 3.11 on."""
    if sys.version_info < (3, 11):
        pytest.skip("this Python has no notes")
    return "\n".join(getattr(error, "__notes__", []))


@pytest.mark.parametrize(
    ("code", "note"),
    [(126, "may not be run"), (127, "was not found"), (-9, "Signal 9 ended it"), (2, "What the command wrote")],
)
def test_an_exit_code_is_explained(code: int, note: str) -> None:
    error = as_exception("BashExitFailure", ("sort", code))
    assert note in notes_of(error)
    assert "stdout= and stderr=" in notes_of(error)


def test_where_to_look_is_told_only_if_nothing_is_quoted() -> None:
    plain, quoting = (
        as_exception("BashExitFailure", ("sort", 126, *quoted)) for quoted in ((), ({"stderr": ("err", ["no"])},))
    )
    assert "stdout= and stderr=" in notes_of(plain)
    assert notes_of(quoting) == "126 is a command that may not be run."
    assert not getattr(as_exception("BashExitFailure", ("sort", 2, {"stderr": ("err", ["no"])})), "__notes__", [])


def test_an_exception_comes_with_its_frames_and_causes() -> None:
    def inner() -> None:
        raise KeyError("inner")

    def outer() -> None:
        try:
            inner()
        except KeyError as e:
            raise ValueError("outer") from e

    try:
        outer()
    except ValueError as e:
        error = unpack_error(pack_error(e))
    assert type(error) is ValueError and error.args == ("outer",)
    names = []
    trace = error.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names[-1] == "outer"
    assert type(error.__cause__) is KeyError and error.__suppress_context__


def test_a_context_that_is_no_cause_comes_too() -> None:
    try:
        try:
            raise KeyError
        except KeyError:
            raise ValueError  # noqa: B904
    except ValueError as e:
        error = unpack_error(pack_error(e))
    assert error.__cause__ is None and type(error.__context__) is KeyError and not error.__suppress_context__


def test_a_class_whose_init_wants_other_arguments_is_made_without_it() -> None:
    error = packed(Strict(code=7))
    assert type(error) is Strict and error.code == 7 and str(error) == "code 7"


def test_what_cannot_travel_is_shown_as_text() -> None:
    error = packed(Unpicklable())
    assert isinstance(error, (Unpicklable, RemoteException))
    broken = pack_error(ValueError("text"))
    broken["pickle"] = b"nonsense"
    broken["parts"] = b"nonsense"
    error = unpack_error(broken)
    assert type(error) is RemoteException and "text" in str(error)


def test_one_that_cannot_say_here_what_it_is_is_shown_as_text() -> None:
    class Code:
        name = "seven"

        def __reduce__(self) -> Any:
            raise TypeError("not me")

    error = packed(Bare(code=Code()))
    assert type(error) is RemoteException and "code seven" in str(error)


def test_why_a_worker_may_have_no_children_is_explained() -> None:
    for error, explained in (
        (AssertionError(DAEMONIC), True),
        (AssertionError("x"), False),
        (OSError(DAEMONIC), False),
    ):
        again = packed(error)
        assert type(again) is type(error)
        assert (len(notes_of(again)) > 0) is explained


def test_a_pickle_that_is_no_exception_is_not_raised() -> None:
    from parsl_on_dask.remote.packing import dumps

    broken = pack_error(ValueError("text"))
    broken["pickle"] = dumps(3)
    assert type(unpack_error(broken)) is RemoteException


def test_each_call_gets_an_exception_of_its_own() -> None:
    cause = OSError("gone")
    error = ExecutorError(None, "it ended")
    error.__cause__ = cause
    copies = [each_its_own(error) for _ in range(2)]
    assert copies[0] is not copies[1] is not error
    for copy in copies:
        assert type(copy) is ExecutorError and str(copy) == str(error) and copy.__cause__ is cause
        assert copy.__traceback__ is None


def test_what_an_app_raises_in_this_process() -> None:
    plain = ValueError("mine")
    assert from_failure(plain, "app") is plain
    left = from_failure(SystemExit(3), "stop")
    assert type(left) is AppExit and "sys.exit(3)" in str(left)
    cause = OSError()
    failure = Failure("AppTimeout", "slow", 3)
    failure.__cause__ = cause
    shown = from_failure(failure, "slow")
    assert type(shown) is AppTimeout and shown.__cause__ is cause
    interrupt = from_failure(KeyboardInterrupt(), "app")
    assert type(interrupt) is AppExit and type(interrupt.__cause__) is KeyboardInterrupt
