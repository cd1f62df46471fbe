"""A call's key is the one that Parsl computes for it."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.checkpoint.ids import PROTOCOL
from parsl_on_dask.checkpoint.keys import app_id, id_for_memo, make_hash
from parsl_on_dask.remote.shell import run_bash
from parsl_on_dask.remote.standin import FinishedFuture
from parsl_on_dask.remote.walltime import timeout
from tests.checkpoint import calls, values

# made by the real Parsl from the same module of calls
PARSL_DIGESTS = json.loads(Path(__file__).with_name("parsl_digests.json").read_text())


@pytest.fixture(autouse=True, scope="module")
def _registered_sample() -> None:
    id_for_memo.register(calls.Sample)(calls.sample_id)


def as_handed_to_the_kernel(call: calls.Call) -> Any:
    if call.kind == "bash":
        function = partial(run_bash, call.function)
        function.__name__ = call.function.__name__  # type: ignore[attr-defined]
        return function
    return timeout(call.function, 5) if call.kind == "walltime" else call.function


def key(function: Any, *args: Any, ignore_for_cache: Any = (), **kwargs: Any) -> str:
    return make_hash({"func": function, "args": args, "kwargs": kwargs, "ignore_for_cache": ignore_for_cache})


@pytest.mark.parametrize("call", calls.CALLS, ids=lambda c: c.name)
def test_the_digest_is_parsls(call: calls.Call) -> None:
    task = {
        "func": as_handed_to_the_kernel(call),
        "args": call.args,
        "kwargs": dict(call.kwargs),
        "ignore_for_cache": list(call.ignore),
    }
    assert make_hash(task) == PARSL_DIGESTS[call.name]
    assert task["kwargs"] == call.kwargs  # the record keeps its keywords


def test_a_bash_app_without_the_attributes_of_its_function_has_the_same_key() -> None:
    bare = partial(run_bash, calls.command)
    named = as_handed_to_the_kernel(calls.Call("", "bash", calls.command))
    assert key(bare, 1) == key(named, 1) != key(calls.command, 1)


def test_partials_of_different_functions_or_arguments_are_different_apps() -> None:
    keys = {key(partial(f, a), 1) for f in (calls.double, calls.another) for a in (1, 2)}
    assert len(keys) == 4
    assert key(partial(calls.double, 1), 1) in keys


def test_callable_objects_are_known_by_their_class() -> None:
    class Scale:
        def __call__(self, x: int) -> int:
            return x

    class Shift:
        def __call__(self, x: int) -> int:
            return x

    assert key(Scale(), 1) == key(Scale(), 1) != key(Shift(), 1)

    id_for_memo.register(Scale)(lambda obj, output_ref=False: "a scale, by name")
    assert isinstance(app_id(Scale()), bytes)


class Opaque:
    """Nobody says what identifies it."""


def test_callable_dataclasses_count_with_what_they_hold() -> None:
    @dataclass
    class Scale:
        factor: int

        def __call__(self, x: int) -> int:
            return x

    assert key(Scale(1), 5) == key(Scale(1), 5) != key(Scale(2), 5)


def test_classes_and_methods_as_apps_are_known_by_name_as_in_parsl() -> None:
    for function in (values.Mesh, values.Mesh("m", []).__eq__, "a".upper):
        name, module = function.__name__, getattr(function, "__module__", None)
        assert app_id(function) == pickle.dumps(["types.FunctionType", name, module], PROTOCOL)


def test_an_argument_of_an_unknown_type_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"unknown type for memoization: <class '.*Opaque'>.*register\(Opaque\)"):
        key(calls.another, Opaque())
    with pytest.raises(ValueError, match="unknown type for memoization"):
        key(calls.another, Future())


@pytest.mark.parametrize(
    ("call", "where"),
    [
        ((Opaque(),), r"app 'another' .* argument 0 \(x\): unknown type"),
        ((1, 2, Opaque()), "argument 2: unknown type"),
        (([1, {"mesh": (0, Opaque())}],), r"argument 0 \(x\)\[1\]\['mesh'\]\[1\]: unknown type"),
        ((values.Mesh("m", [1, Opaque()]),), r"argument 0 \(x\)\.cells\[1\]: unknown type"),
        ((values.Point(1, Opaque()),), r"argument 0 \(x\)\.y: unknown type"),
        (({"a", Opaque()},), r"argument 0 \(x\) \(element <.*Opaque.*: unknown type"),
        ((partial(calls.another, Opaque()),), r"argument 0 \(x\)\.args\[0\]: unknown type"),
    ],
)
def test_the_error_names_the_argument_and_the_place_inside_it(call: tuple[Any, ...], where: str) -> None:
    with pytest.raises(ValueError, match=where):
        key(calls.another, *call)


def test_the_error_names_the_keyword_and_the_output() -> None:
    with pytest.raises(ValueError, match=r"keyword mesh\[0\]: .*ignore_for_cache=\['mesh'\]"):
        key(calls.another, mesh=[Opaque()])
    with pytest.raises(ValueError, match=r"because of outputs\[1\]: "):
        key(calls.double, 1, outputs=["a", Opaque()])


def test_what_a_users_own_function_raises_is_left_alone() -> None:
    class Sour:
        pass

    @id_for_memo.register(Sour)
    def refuse(obj: Sour, output_ref: bool = False) -> bytes:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        key(calls.another, [Sour()])


def test_a_subclass_of_a_container_is_refused() -> None:
    class Row(dict):  # type: ignore[type-arg]
        pass

    with pytest.raises(ValueError, match="subclass of dict"):
        key(calls.another, Row())


def test_a_finished_stand_in_counts_as_its_value() -> None:
    assert key(calls.another, [FinishedFuture(7)]) == key(calls.another, [7])


def test_ignoring_a_keyword_that_was_not_passed_is_harmless() -> None:
    assert key(calls.another, 1, ignore_for_cache=["seed"]) == key(calls.another, 1)


def test_ignored_outputs_do_not_count() -> None:
    with_outputs = key(calls.double, 1, outputs=[Opaque()], ignore_for_cache=["outputs"])
    assert with_outputs == key(calls.double, 1)
