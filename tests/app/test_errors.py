"""The errors of apps: names, texts, attributes, travel."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

import pytest

from parsl_on_dask.app import errors
from parsl_on_dask.app.errors import (
    AppBadFormatting,
    AppException,
    AppTimeout,
    BadStdStreamFile,
    BashAppNoReturn,
    BashExitFailure,
    MissingOutputs,
    NotFutureError,
    RemoteException,
    RemoteExceptionWrapper,
    wrap_error,
)
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.errors import ParslError
from parsl_on_dask.old_spellings.legacy import ParslDeprecationWarning, forget_warnings

FILE = File("out.txt")


@pytest.mark.parametrize(
    ("error", "text", "attributes"),
    [
        (
            BashExitFailure("sort", 2),
            "bash_app sort failed with unix exit code 2",
            {"app_name": "sort", "exitcode": 2, "reason": "bash_app sort failed with unix exit code 2"},
        ),
        (AppTimeout("App f exceeded walltime: 3 seconds"), "App f exceeded walltime: 3 seconds", {}),
        (BashAppNoReturn("nothing"), "nothing", {"reason": "nothing"}),
        (AppBadFormatting("bad"), "bad", {}),
        (MissingOutputs("why", ["a"]), "Missing Outputs: ['a'], Reason: why", {"reason": "why", "outputs": ["a"]}),
        (BadStdStreamFile("/x/y"), "Bad Stream File: /x/y", {"reason": "/x/y"}),
        (RemoteException("m.E", "text"), "m.E: text\n(an exception", {"type_name": "m.E", "message": "text"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_texts_and_attributes_survive_pickling(error: Exception, text: str, attributes: dict[str, Any]) -> None:
    for e in (error, pickle.loads(pickle.dumps(error))):
        assert str(e).startswith(text)
        assert {name: getattr(e, name) for name in attributes} == attributes


def test_the_tree() -> None:
    for kind in (BashExitFailure, AppTimeout, BashAppNoReturn, RemoteException):
        assert issubclass(kind, AppException)
    for top in (AppException, AppBadFormatting, MissingOutputs, BadStdStreamFile, NotFutureError):
        assert top.__bases__ == (ParslError,)


def test_the_old_second_argument_of_a_bad_stream() -> None:
    why = OSError("no")
    assert BadStdStreamFile("/x", why).__cause__ is why


def test_a_remote_exception_shows_its_traceback() -> None:
    error = RemoteException("m.E", "text", "Traceback (most recent call last):\n  File ...")
    assert str(error).endswith("On the worker:\nTraceback (most recent call last):\n  File ...")
    assert error.traceback_text.startswith("Traceback")


class TestWrapping:
    def fail(self) -> None:
        try:
            int("x")
        except ValueError as e:
            raise KeyError("y") from e

    def test_values_pass(self) -> None:
        assert wrap_error(len)("abc") == 3
        assert wrap_error(self.fail).__name__ == "fail"
        assert wrap_error(self.fail).__wrapped__ == self.fail  # type: ignore[attr-defined]

    @pytest.mark.parametrize("travel", [False, True])
    def test_exceptions_become_values(self, travel: bool) -> None:
        wrapped: Any = wrap_error(self.fail)()
        assert isinstance(wrapped, RemoteExceptionWrapper)
        if travel:
            wrapped = pickle.loads(pickle.dumps(wrapped))
        assert wrapped.e_type is KeyError
        with pytest.raises(KeyError) as caught:
            wrapped.reraise()
        assert isinstance(caught.value.__cause__, ValueError)
        shown = "".join(traceback.format_exception(caught.value))
        assert "in fail" in shown and "invalid literal" in shown

    def test_what_is_no_exception_passes(self) -> None:
        def leave() -> None:
            raise SystemExit(1)

        with pytest.raises(SystemExit):
            wrap_error(leave)()


def test_no_name_has_gone() -> None:
    assert errors.AppException.__module__ == "parsl_on_dask.app.errors"


def test_the_error_of_commands_under_its_first_name() -> None:
    """Scripts for Parsl 0.5 to 0.9 catch ``AppFailure``, and read ``reason`` and ``exitcode`` of it."""
    forget_warnings()
    with pytest.warns(ParslDeprecationWarning, match=r"parsl\.app\.errors\.AppFailure has moved.*BashExitFailure"):
        from parsl_on_dask.app.errors import AppFailure  # type: ignore[attr-defined]
    with pytest.raises(AppFailure) as caught:
        raise BashExitFailure("sort", 2)
    assert (caught.value.reason, caught.value.exitcode) == ("bash_app sort failed with unix exit code 2", 2)
    with pytest.raises(ImportError):
        from parsl_on_dask.app.errors import AppFailures  # type: ignore[attr-defined]  # noqa: F401
